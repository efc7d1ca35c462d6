// Rules of image encoders and dual encoders, read from the library's configuration_*.py and
// modeling_*.py.
#include "core/error.h"
#include "frontends/hf/config.h"
#include "frontends/hf/rules.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace vitals {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Values = HfValues;

// A classifier has as many classes as there are labels; the library's default are two.
void classes(const Values& hf, const HfFamily&, ordered_json& spec) {
  const bool classifies = spec.contains("head")
                              ? spec["head"] == "classification" || spec["head"] == "segmentation"
                              : !spec.contains("num_classes");
  const auto& labels = hf.at("id2label");
  if (!classifies || spec.contains("masked_modeling")) return;
  // As with text: the names count before the number.
  if (labels.is_object())
    spec["num_classes"] = labels.size();
  else
    spec["num_classes"] = hf.has("num_labels") ? hf.at("num_labels") : json(2);
}

// Our ratio is the hidden width over the width; it must truncate to the very width that is stated.
void vit_mlp_ratio(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto width = static_cast<double>(hf.integer("hidden_size"));
  const auto hidden = static_cast<double>(hf.integer("intermediate_size"));
  if (width < 1) hf.refuse("hidden_size", "0 is too small; at least 1");
  if (hidden < 1) hf.refuse("intermediate_size", "0 is too small; at least 1");
  double ratio = hidden / width;
  while (std::floor(width * ratio) < hidden) ratio = std::nextafter(ratio, HUGE_VAL);
  spec["mlp_ratio"] = ratio;
}

// The pooler is a layer with tanh on the class token, as the original code's representation.
void vit_pooler(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto& width = hf.at("pooler_output_size");
  (void)hf.at("pooler_act");
  if (!spec.contains("representation_size")) return;
  spec["representation_size"] = width.is_null() ? hf.at("hidden_size") : width;
}

// The norm stands behind the mean of the patches, or before the class token is taken.
void beit_pooling(const Values& hf, const HfFamily&, ordered_json& spec) {
  if (spec.contains("masked_modeling")) {
    if (!hf.flag("use_mean_pooling"))
      hf.refuse("use_mean_pooling",
                "false with a head of masked modelling has two last norms, "
                "which is not supported");
    spec["num_classes"] = hf.at("vocab_size");
  }
  spec["global_pool"] = hf.flag("use_mean_pooling") ? "avg" : "token";
}

// Hidden features of the MLP, and those of the gated one (two thirds, rounded up to eights).
void dinov2(const Values& hf, const HfFamily&, ordered_json& spec) {
  const double width = hf.number("hidden_size") * hf.number("mlp_ratio");
  if (!(width >= 1 && width < 1e12)) hf.refuse("mlp_ratio", "makes no sensible hidden layer");
  auto hidden = static_cast<std::uint64_t>(width);
  if (hf.flag("use_swiglu_ffn"))
    hidden = (static_cast<std::uint64_t>(static_cast<double>(hidden) * 2 / 3) + 7) / 8 * 8;
  spec["intermediate_size"] = hidden;
}

void siglip_head(const Values& hf, const HfFamily&, ordered_json& spec) {
  if (!hf.flag("vision_use_head")) spec["pooling"] = "none";
}

void siglip_projection(const Values& hf, const HfFamily&, ordered_json& spec) {
  spec["projection_dim"] =
      hf.has("projection_size") ? hf.at("projection_size") : hf.at("hidden_size");
}

// The parts of the config are configs of the towers' own families.
void two_towers(const Values& hf, const HfFamily& family, ordered_json& spec) {
  const std::pair<const char*, const char*> parts[] = {{"text_config", "text_"},
                                                       {"vision_config", "image_"}};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& [key, prefix] = parts[i];
    const auto& tower = *find_hf_family(family.at("towers")[i].get<std::string>());
    // CLIPConfig: what <part>_config_dict makes overwrites every field of <part>_config.
    const auto dict = std::string(key) + "_dict";
    const bool overwritten = family.contains("config_dicts") && hf.has(dict);
    const auto config = overwritten ? hf.at(dict) : hf.has(key) ? hf.at(key) : json::object();
    const json described = hf_spec(config, tower, "Model", std::string("/") + key);
    for (const auto& [field, value] : described.items())
      if (field != "architecture" && field != "head" && field != "notes" && field != "left_out" &&
          field != "by_default")
        spec[prefix + field] = value;
    for (const auto& note : entry_of(described, "notes"))
      spec["notes"].push_back(std::string(key) + ": " + note.get<std::string>());
    for (const auto& size : entry_of(described, "by_default"))
      spec["by_default"].push_back(size.get<std::string>());
    for (const auto& part : entry_of(described, "left_out"))
      spec["left_out"].push_back(std::string(key) + ": " + part.get<std::string>());
  }
}

constexpr HfRule kImageRules[] = {
    {"classes", classes},       {"vit_mlp_ratio", vit_mlp_ratio},
    {"vit_pooler", vit_pooler}, {"beit_pooling", beit_pooling},
    {"dinov2", dinov2},         {"siglip_head", siglip_head},
    {"two_towers", two_towers}, {"siglip_projection", siglip_projection},
};

}  // namespace

std::span<const HfRule> hf_image_rules() { return kImageRules; }

}  // namespace vitals
