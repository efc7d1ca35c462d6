#include "frontends/spec/timm_config.h"

#include "core/error.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::json;

// [channels, height, width] of the images that the weights were trained on.
void take_input_size(const json& pretrained, const std::string& source, json& spec) {
  const auto size = pretrained.find("input_size");
  if (size == pretrained.end() || size->is_null()) return;
  if (!size->is_array() || size->size() != 3)
    fail("{}: /pretrained_cfg/input_size: expected [channels, height, width], got {}", source,
         size->dump());
  spec["in_chans"] = (*size)[0];
  spec["img_size"] = json::array({(*size)[1], (*size)[2]});
}

}  // namespace

bool is_timm_config(const json& config) {
  return config.is_object() && config.contains("pretrained_cfg") &&
         config.contains("architecture") && config["architecture"].is_string();
}

Model model_from_timm_config(const json& config, const std::string& source,
                             const std::string& fallback_name) {
  const auto name = config["architecture"].get<std::string>();
  (void)builtin_model(name, source + ": /architecture");  // an unknown name is told of their field
  json spec = {{"base", name}, {"name", fallback_name}};
  const auto& pretrained = config["pretrained_cfg"];
  if (!pretrained.is_object())
    fail("{}: /pretrained_cfg: expected an object, got {}", source, pretrained.type_name());
  take_input_size(pretrained, source, spec);
  for (const auto* key : {"num_classes", "global_pool"})
    if (config.contains(key)) spec[key] = config[key];
  if (const auto args = config.find("model_args"); args != config.end()) {
    if (!args->is_object())
      fail("{}: /model_args: expected an object, got {}", source, args->type_name());
    spec.update(*args);
  }
  return model_from_spec(spec, source, fallback_name);
}

}  // namespace vitals
