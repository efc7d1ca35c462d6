#include "frontends/hf/classify.h"

#include "core/error.h"
#include "core/suggest.h"
#include "frontends/spec/json_text.h"
#include "models/architecture.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

struct ClassName {
  std::string name;   // empty when the config names none
  std::string field;  // where it stands
};

// architectures[0], which a table of models may write as architecture; diffusers' _class_name.
ClassName class_of(const nlohmann::json& config) {
  if (const auto name = config.find("_class_name"); name != config.end()) {
    if (!name->is_string())
      fail("/_class_name: expected the name of a class, got {}", brief(*name));
    return {name->get<std::string>(), "_class_name"};
  }
  const auto list = config.value("architectures", nlohmann::json());
  if (!list.is_null() && !list.is_array())
    fail("/architectures: expected a list of class names, like [\"LlamaForCausalLM\"], got {}",
         brief(list));
  if (!list.empty() && !list.front().is_string())
    fail("/architectures/0: expected the name of a class, got {}", brief(list.front()));
  if (!list.empty()) return {list.front().get<std::string>(), "architectures"};
  const auto one = config.find("architecture");
  if (one == config.end() || !one->is_string()) return {};
  if (config.contains("model_type") && find_architecture(one->get<std::string>()) != nullptr)
    fail(
        "/architecture: {} is an architecture of a vitals spec, but model_type is for a Hugging "
        "Face config; keep one of them",
        one->dump());
  return {one->get<std::string>(), "architecture"};
}

std::string heads_of(const HfFamily& family) {
  std::vector<std::string> names;
  const auto prefix = entry_of(family, "classes").is_null()
                          ? std::string()
                          : family["classes"].front().get<std::string>();
  // What ends in parentheses is no class, but a way to make one.
  for (const auto& head : family.at("heads").items())
    if (!head.key().ends_with(')')) names.push_back(prefix + head.key());
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string default_head_of(const nlohmann::json& config, const HfFamily& family) {
  // Labels without a class are those of a classifier, where the family has such a default.
  const bool labelled = config.contains("num_labels") || config.contains("id2label");
  const auto& head = entry_of(family, "labelled_head");
  return (labelled && !head.is_null() ? head : family.at("default_head")).get<std::string>();
}

// A class of the family, or of one of another name whose head the family has: only its name is
// unknown ("LlavaLlamaForCausalLM").
void set_head(HfKind& kind, const ClassName& from, const nlohmann::json& config) {
  const auto& family = *kind.family;
  const auto& heads = family.at("heads");
  if (from.name.empty()) {
    kind.head = default_head_of(config, family);
    return;
  }
  for (const auto& prefix : entry_of(family, "classes")) {
    const auto text = prefix.get<std::string>();
    if (!from.name.starts_with(text) || !heads.contains(from.name.substr(text.size()))) continue;
    kind.head = from.name.substr(text.size());
    return;
  }
  // A class around a part of the type, which has a row of its own.
  if (const auto other = find_hf_class(from.name);
      other.family != nullptr && entry_of(*other.family, "of_type") == family["name"]) {
    kind.family = other.family;
    kind.head = other.head;
    return;
  }
  // A class of another family with the same layers: Kimi-K2 is a DeepseekV3ForCausalLM.
  if (const auto other = find_hf_class(from.name);
      other.family != nullptr && heads.contains(other.head) &&
      (*other.family)["architecture"] == family["architecture"]) {
    kind.head = other.head;
    return;
  }
  std::string best;
  for (const auto& head : heads.items())
    if (head.key().starts_with("For") && from.name.ends_with(head.key()) &&
        head.key().size() > best.size())
      best = head.key();
  // Of several parts, the class may leave some out: no head tells which.
  const bool known_layers =
      heads.contains("Model") && !family.contains("towers") && !family.contains("part");
  if (best.empty() && !known_layers)
    fail("/{}: '{}' is no class of model_type '{}' that is known; those are: {}", from.field,
         from.name, family["name"].get<std::string>(), heads_of(family));
  if (best.empty()) {  // a class of somebody's own around the layers of the type
    kind.head = "Model";
    kind.left_out.push_back(
        fmt::format("{}: the class '{}' is unknown; model_type '{}' is described without a head, "
                    "and what the class adds is left out (known classes: {})",
                    from.field, from.name, family["name"].get<std::string>(), heads_of(family)));
    return;
  }
  kind.head = best;
  kind.notes.push_back(fmt::format("{}: the class '{}' is unknown; described as model_type '{}' {}",
                                   from.field, from.name, family["name"].get<std::string>(), best));
}

// Whether a config of several parts goes by the type of its text part.
bool is_a_part(const nlohmann::json& config, const HfFamily& family) {
  if (family.contains("part") || family.contains("towers") || text_part_of(config).empty())
    return false;
  for (const auto& group : entry_of(family, "sizes"))
    for (const auto& name : group)
      if (config.contains(name.get<std::string>())) return false;
  return true;
}

// Letters that open a model_type: "qwen" of qwen3_vl_moe.
std::string stem_of(std::string_view type) {
  const auto end = type.find_first_not_of("abcdefghijklmnopqrstuvwxyz");
  return std::string(type.substr(0, end));
}

// Types of the same family name; a type that is spelt alike only where it looks like a slip.
std::string kin_of(const std::string& type) {
  std::vector<std::string> kin;
  const auto stem = stem_of(type);
  const auto types = hf_model_types();
  for (const auto& known : types)
    if (stem.size() >= 3 && stem_of(known) == stem) kin.push_back(known);
  if (kin.empty() && type.size() >= 4)
    for (auto& near : nearest(type, types, 3))
      if (near.size() + 1 >= type.size() && type.size() + 1 >= near.size()) kin.push_back(near);
  if (kin.empty()) return "";
  return fmt::format("; did you mean '{}'?", fmt::join(kin, "', '"));
}

[[noreturn]] void refuse_type(const std::string& path, const std::string& type) {
  const auto kin = kin_of(type);
  fail(
      "{}/model_type: unknown model_type '{}'{} `--as TYPE` reads the config as another type, "
      "where "
      "the layers are the same{}",
      path, type, kin.empty() ? ";" : kin,
      kin.empty() ? fmt::format(" (known: {})", fmt::join(hf_model_types(), ", ")) : "");
}

}  // namespace

std::string text_part_of(const nlohmann::json& config) {
  for (const auto* field : {"text_config", "llm_config", "language_config", "thinker_config",
                            "language_model_config", "llm_cfg", "decoder_config"})
    if (config.contains(field) && config[field].is_object()) return field;
  return "";
}

HfKind kind_of_config(const nlohmann::json& config, const std::string& path) {
  const auto from = class_of(config);
  const auto type = config.find("model_type");
  HfKind kind;
  if (type == config.end()) {
    if (from.name.empty() && !text_part_of(config).empty())
      return {find_hf_family("composite_of_unknown_type"), "", {}, {}};
    if (from.name.empty())
      fail("{}/model_type: is missing, and architectures names no class; known model_types: {}",
           path, fmt::join(hf_model_types(), ", "));
    const auto found = find_hf_class(from.name);
    if (found.family != nullptr) return {found.family, found.head, {}, {}};
  } else if (!type->is_string()) {
    fail("{}/model_type: expected a string, got {}", path, type->dump());
  } else if (const auto* family = find_hf_family(type->get<std::string>())) {
    kind.family = family;
    if (is_a_part(config, *family))
      return {find_hf_family("composite_of_unknown_type"),
              "",
              {fmt::format("model_type: '{}' names the {} alone, which is described",
                           type->get<std::string>(), text_part_of(config))}};
    set_head(kind, from, config);
    return kind;
  }
  const auto name = type == config.end() ? from.name : type->get<std::string>();
  // The class tells the layers where the type does not.
  if (const auto found = find_hf_class(from.name); !from.name.empty() && found.family != nullptr)
    return {found.family,
            found.head,
            {fmt::format("model_type: '{}' is unknown; described as '{}', by its class {}", name,
                         (*found.family)["name"].get<std::string>(), from.name)}};
  if (const auto part = text_part_of(config); !part.empty())
    return {find_hf_family("composite_of_unknown_type"),
            "",
            {fmt::format("model_type: '{}' is unknown; its {} is described", name, part)}};
  if (type == config.end())
    fail("{}/{}: unknown class '{}', and there is no model_type; known model_types: {}", path,
         from.field, from.name, fmt::join(hf_model_types(), ", "));
  refuse_type(path, name);
}

nlohmann::json read_as(nlohmann::json config, const std::string& model_type) {
  if (!config.is_object()) fail("expected an object, got {}", brief(config));
  const auto* family = find_hf_family(model_type);
  if (family == nullptr) refuse_type("", model_type);
  config["model_type"] = model_type;
  const auto from = class_of(config);
  const auto found = find_hf_class(from.name);
  if (!from.name.empty() && found.family != family) config.erase(from.field);
  return config;
}

}  // namespace vitals
