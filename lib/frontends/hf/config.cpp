#include "frontends/hf/config.h"

#include "core/suggest.h"
#include "frontends/hf/checks.h"
#include "frontends/hf/keys.h"
#include "frontends/hf/rules.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "frontends/spec/timm_config.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct ClassName {
  std::string name;   // empty when the config names none
  std::string field;  // where it stands
};

// architectures[0], which a table of models may write as architecture.
ClassName class_of(const json& config) {
  const auto list = config.value("architectures", json());
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
  const auto prefix = family.at("classes").front().get<std::string>();
  // What ends in parentheses is no class, but a way to make one.
  for (const auto& head : family.at("heads").items())
    if (!head.key().ends_with(')')) names.push_back(prefix + head.key());
  return fmt::format("{}", fmt::join(names, ", "));
}

// The part of the class name after the family's prefix, "ForCausalLM".
std::string head_of(const ClassName& from, const HfFamily& family, const json& config) {
  const auto& class_name = from.name;
  if (class_name.empty()) {
    // Labels without a class are those of a classifier, where the family has such a default.
    const bool labelled = config.contains("num_labels") || config.contains("id2label");
    const auto& head = entry_of(family, "labelled_head");
    return (labelled && !head.is_null() ? head : family.at("default_head")).get<std::string>();
  }
  for (const auto& prefix : family.at("classes")) {
    const auto text = prefix.get<std::string>();
    if (class_name.starts_with(text) && family["heads"].contains(class_name.substr(text.size())))
      return class_name.substr(text.size());
  }
  fail("/{}: '{}' is no class of model_type '{}' that is known; those are: {}", from.field,
       class_name, family["name"].get<std::string>(), heads_of(family));
}

HfClass family_of(const json& config) {
  const auto class_name = class_of(config);
  const auto type = config.find("model_type");
  if (type == config.end()) {
    if (class_name.name.empty())
      fail("/model_type: is missing, and architectures names no class; known model_types: {}",
           fmt::join(hf_model_types(), ", "));
    auto found = find_hf_class(class_name.name);
    if (found.family == nullptr)
      fail("/{}: unknown class '{}', and there is no model_type; known model_types: {}",
           class_name.field, class_name.name, fmt::join(hf_model_types(), ", "));
    return found;
  }
  if (!type->is_string()) fail("/model_type: expected a string, got {}", type->dump());
  const auto name = type->get<std::string>();
  const auto* family = find_hf_family(name);
  if (family == nullptr)
    fail("/model_type: unknown model_type '{}'{} (known: {})", name,
         did_you_mean(name, hf_model_types()), fmt::join(hf_model_types(), ", "));
  return {family, head_of(class_name, *family, config)};
}

// Fields under their first names.
json without_aliases(const json& config, const HfFamily& family, const std::string& path) {
  json fields = config;
  for (const auto& [alias, name] : entry_of(family, "aliases").items()) {
    const auto it = fields.find(alias);
    if (it == fields.end()) continue;
    const auto key = name.get<std::string>();
    if (fields.contains(key) && fields[key] != *it)
      fail("{}/{}: {} contradicts '{}', its other name, which is {}", path, alias, it->dump(), key,
           fields[key].dump());
    json value = *it;
    fields.erase(it);
    fields[key] = std::move(value);
  }
  return fields;
}

void set_at(ordered_json& spec, const std::string& path, const json& value) {
  const auto dot = path.find('.');
  if (dot == std::string::npos)
    spec[path] = value;
  else
    set_at(spec[path.substr(0, dot)], path.substr(dot + 1), value);
}

void copy_fields(const HfValues& values, const HfFamily& family, ordered_json& spec) {
  for (const auto& [key, targets] : family.at("fields").items()) {
    const auto& value = values.at(key);
    if (value.is_null() && !values.stated(key) && !entry_of(family, "defaults").contains(key))
      values.refuse(key, "missing, and its class has no default for it");
    if (targets.is_string()) {
      set_at(spec, targets.get<std::string>(), value);
      continue;
    }
    for (const auto& target : targets) set_at(spec, target.get<std::string>(), value);
  }
}

std::vector<std::string> notes_of(const HfValues& values, const HfFamily& family) {
  std::vector<std::string> notes;
  for (const auto& key : family.at("ignored")) values.know(key.get<std::string>());
  for (const auto& field : entry_of(family, "defaults").items()) values.know(field.key());
  const auto unknown = values.unknown();
  if (!unknown.empty())
    notes.push_back(fmt::format("fields of no known effect on shapes: {}",
                                fmt::join(with_near_names(unknown, family), ", ")));
  if (values.has("quantization_config"))
    notes.emplace_back(
        "quantization_config: the weights are stored quantised; counts are those of the "
        "model, bytes those of the precision that is asked for");
  const auto& labels = values.at("id2label");
  if (values.stated("num_labels") && labels.is_object() && values.at("num_labels") != labels.size())
    notes.push_back(fmt::format("num_labels: passed over, as in the library, for id2label has {}",
                                labels.size()));
  if (values.has("num_nextn_predict_layers") && values.at("num_nextn_predict_layers") != 0)
    notes.emplace_back(
        "num_nextn_predict_layers: the layers that predict further tokens are left out, "
        "as the library does not load them");
  return notes;
}

// Where the fields of a spec stand in the config: those of one family, under `path`, with a prefix
// to their names in the spec.
struct Origin {
  const HfFamily* family;
  std::string path;
  std::string prefix;
};

std::vector<Origin> origins_of(const HfFamily& family) {
  std::vector<Origin> origins = {{&family, "", ""}};
  if (!family.contains("towers")) return origins;
  const auto& towers = family["towers"];
  origins.push_back({find_hf_family(towers[0].get<std::string>()), "/text_config", "text_"});
  origins.push_back({find_hf_family(towers[1].get<std::string>()), "/vision_config", "image_"});
  return origins;
}

// "/hidden_size: ..." is "/n_embd: ..." in the user's file, "/layer_types/3: ..." likewise.
std::string in_their_words(std::string message, const std::vector<Origin>& origins) {
  auto replace = [&](const Origin& origin, const json& target, const std::string& key) {
    const auto ours = fmt::format(": /{}{}", origin.prefix, target.get<std::string>());
    const auto at = message.find(ours);
    const auto end = at + ours.size();
    if (at == std::string::npos || end >= message.size()) return false;
    if (message[end] != ':' && message[end] != '/') return false;
    message.replace(at, ours.size(), fmt::format(": {}/{}", origin.path, key));
    return true;
  };
  for (const auto& origin : origins)
    for (const auto& [key, targets] : entry_of(*origin.family, "fields").items()) {
      if (targets.is_string() && replace(origin, targets, key)) return message;
      if (!targets.is_array()) continue;
      for (const auto& target : targets)
        if (replace(origin, target, key)) return message;
    }
  return message;
}

// "size": 224, {"height": 224, "width": 224} or {"shortest_edge": 224}; a crop comes last.
json image_size_of(const json& preprocessor) {
  if (!preprocessor.is_object()) return nullptr;
  const bool cropped = preprocessor.value("do_center_crop", json(false)) == json(true);
  for (const auto* key : {"crop_size", "size"}) {
    if (!preprocessor.contains(key) || (key == std::string_view("crop_size") && !cropped)) continue;
    const auto& size = preprocessor[key];
    if (!size.is_object()) return size;
    if (size.contains("height") && size.contains("width"))
      return json::array({size["height"], size["width"]});
    if (size.contains("shortest_edge")) return size["shortest_edge"];
  }
  return nullptr;
}

// The language model of a composite config, and a note of what is left out of it.
ordered_json part_of(const json& config, const HfFamily& family, const HfClass& which,
                     std::vector<Origin>& origins) {
  const auto& part = family.at("part");
  const auto field = part.at("field").get<std::string>();
  auto inner = config.value(field, json());
  // Without it the class of the whole makes one, whose sizes may be its own.
  if (inner.is_null()) inner = part.value("absent", json::object());
  if (!inner.is_object()) fail("/{}: expected an object, got {}", field, inner.dump());
  const auto type = inner.value("model_type", part.at("model_type"));
  const auto* inner_family = type.is_string() ? find_hf_family(type.get<std::string>()) : nullptr;
  if (inner_family == nullptr)
    fail("/{}/model_type: unknown model_type {} (known: {})", field, type.dump(),
         fmt::join(hf_model_types(), ", "));
  // Whether the head is tied is said of the whole, or of the part.
  if (config.contains("tie_word_embeddings") && !inner.contains("tie_word_embeddings"))
    inner["tie_word_embeddings"] = config["tie_word_embeddings"];
  const bool same_head = inner_family->at("heads").contains(which.head);
  const auto head = same_head ? which.head : inner_family->at("default_head").get<std::string>();
  origins = {{inner_family, "/" + field, ""}};
  auto described = hf_spec(inner, *inner_family, head, "/" + field);
  for (const auto& other : part.at("left_out"))
    if (config.contains(other.get<std::string>()))
      described["notes"].push_back(fmt::format("{}: left out, all counts are the language model's",
                                               other.get<std::string>()));
  return described;
}

ordered_json describe(json config, const HfClass& which, const json& preprocessor,
                      std::vector<Origin>& origins) {
  const auto& family = *which.family;
  origins = origins_of(family);
  if (family.contains("part")) return part_of(config, family, which, origins);
  // The image is that of the model itself, or of its tower.
  json* image = nullptr;
  if (entry_of(family, "defaults").contains("image_size")) image = &config;
  if (family.contains("towers") && config.value("vision_config", json()).is_object())
    image = &config["vision_config"];
  if (image != nullptr && image->value("image_size", json()).is_null())
    if (auto size = image_size_of(preprocessor); !size.is_null())
      (*image)["image_size"] = std::move(size);
  return hf_spec(config, family, which.head, "");
}

}  // namespace

bool is_hf_config(const json& config) {
  return config.is_object() && (config.contains("model_type") || config.contains("architectures"));
}

ordered_json hf_spec(const json& config, const HfFamily& family, const std::string& head,
                     const std::string& path) {
  if (!config.is_object()) fail("{}: expected an object, got {}", path, config.dump());
  const HfValues values(without_aliases(config, family, path), entry_of(family, "defaults"), path);
  check_hf_values(values, family);
  ordered_json spec = {{"architecture", family.at("architecture")}};
  for (const auto& [key, value] : entry_of(family, "spec").items()) spec[key] = value;
  for (const auto& [key, value] : family.at("heads").at(head).items()) spec[key] = value;
  copy_fields(values, family, spec);
  for (const auto& rule : entry_of(family, "rules"))
    find_hf_rule(rule.get<std::string>()).apply(values, family, spec);
  auto notes = notes_of(values, family);
  // Those of the parts that a rule has described.
  for (const auto& note : spec["notes"]) notes.push_back(note.get<std::string>());
  spec["notes"] = std::move(notes);
  return spec;
}

Model model_from_hf_config(const json& config, const std::string& source,
                           const std::string& fallback_name, const json& preprocessor) {
  HfClass which;
  ordered_json spec;
  std::vector<Origin> origins;
  try {
    which = family_of(config);
    spec = describe(config, which, preprocessor, origins);
  } catch (const Error& error) {
    throw error.within(source);
  }
  const auto name = config.find("name");
  if (name != config.end() && name->is_string()) spec["name"] = *name;
  const auto notes = std::move(spec["notes"]);
  spec.erase("notes");
  try {
    auto model = model_from_spec(json(spec), source, fallback_name);
    for (const auto& note : notes)
      model.notes.push_back(fmt::format("{}: {}", source, note.get<std::string>()));
    model.checkpoint_keys = hf_checkpoint_keys(*which.family, which.head);
    return model;
  } catch (const Error& error) {
    throw Error(in_their_words(error.what(), origins));
  }
}

Model model_from_json(const json& description, const std::string& source,
                      const std::string& fallback_name, const json& preprocessor) {
  // timm's wrapper in transformers writes a model_type beside timm's own fields.
  if (is_timm_config(description))
    return model_from_timm_config(description, source, fallback_name);
  return is_hf_config(description)
             ? model_from_hf_config(description, source, fallback_name, preprocessor)
             : model_from_spec(description, source, fallback_name);
}

Model model_from_json(const json& description, const std::string& source,
                      const std::string& fallback_name) {
  return model_from_json(description, source, fallback_name, nullptr);
}

const HfRule& find_hf_rule(std::string_view name) {
  for (const auto rules : {hf_decoder_rules(), hf_encoder_rules(), hf_image_rules()})
    for (const auto& rule : rules)
      if (rule.name == name) return rule;
  throw std::out_of_range("specs/hf_families.json: no rule " + std::string(name));
}

}  // namespace vitals
