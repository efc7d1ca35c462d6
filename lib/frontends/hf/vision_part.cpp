#include "frontends/hf/vision_part.h"

#include "frontends/hf/config.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kVisionConfig = "vision_config";

// The name of the row that describes the encoder; null: none does.
json tower_of(const json& config, const HfFamily& family) {
  const auto& vision = entry_of(family, "vision");
  const auto stated = config.find(kVisionConfig);
  if (!vision.is_object() || stated == config.end() || !stated->is_object()) return nullptr;
  const auto type = stated->value("model_type", vision.at("default"));
  if (!type.is_string()) return nullptr;
  return vision.at("towers").value(type.get<std::string>(), json());
}

// Fields of the image encoder have a prefix; what is said of them says where it stands.
void take_vision(const ordered_json& described, bool told, ordered_json& spec) {
  for (const auto& [field, value] : described.items()) {
    if (field == "architecture") continue;
    if (field == "notes" || field == "left_out") {
      if (!told) continue;
      for (const auto& sentence : value)
        spec[field].push_back(std::string(kVisionConfig) + ": " + sentence.get<std::string>());
    } else if (field == "by_default") {
      for (const auto& sentence : value)
        if (told) spec[field].push_back(sentence);
    } else {
      spec["vision_" + field] = value;
    }
  }
}

}  // namespace

bool describes_vision(const json& config, const HfFamily& family) {
  return !tower_of(config, family).is_null();
}

void add_vision(const json& config, const HfFamily& family, const std::string& path,
                ordered_json& spec) {
  const auto& vision = family.at("vision");
  const auto tower = tower_of(config, family).get<std::string>();
  const auto& encoder = *find_hf_family(tower);
  const auto& projector = *find_hf_family(vision.at("projector").get<std::string>());
  take_vision(hf_spec(config, projector, "", path), false, spec);
  take_vision(hf_spec(config.at(kVisionConfig), encoder, "", path + "/" + kVisionConfig), true,
              spec);
  for (const auto& [field, value] : entry_of(vision, "spec").items())
    spec["vision_" + field] = value;
  // The projector's inner width is that of the text, which its own class may decide.
  if (spec.value("vision_projector_hidden", ordered_json()) == "text")
    spec["vision_projector_hidden"] = spec.value("hidden_size", ordered_json());
  for (const auto& name : entry_of(vision, "names")) spec["names"].push_back(ordered_json(name));
  spec["architecture"] = "vision_language";
}

}  // namespace vitals
