#include "frontends/hf/config.h"

#include "core/suggest.h"
#include "frontends/hf/checks.h"
#include "frontends/hf/classify.h"
#include "frontends/hf/derive.h"
#include "frontends/hf/keys.h"
#include "frontends/hf/pipeline.h"
#include "frontends/hf/rules.h"
#include "frontends/hf/vision_part.h"
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

// Fields under their first names.
json without_aliases(const json& config, const HfFamily& family, const std::string& path) {
  json fields = config;
  for (const auto& [alias, name] : entry_of(family, "aliases").items()) {
    const auto it = fields.find(alias);
    if (it == fields.end()) continue;
    const auto key = name.get<std::string>();
    if (fields.contains(key) && fields[key] != *it)
      fail("{}/{}: {} contradicts '{}', its other name, which is {}", path, alias, brief(*it), key,
           brief(fields[key]));
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

// The type in which the library loads the weights, where the config states one of three that
// matter.
std::optional<DType> stated_dtype(const json& config) {
  for (const auto* key : {"dtype", "torch_dtype"}) {
    const auto it = config.find(key);
    if (it == config.end() || !it->is_string()) continue;
    auto name = it->get<std::string>();
    if (name.starts_with("torch.")) name.erase(0, std::string_view("torch.").size());
    if (name == "float32" || name == "float") return DType::f32;
    if (name == "float16" || name == "half") return DType::f16;
    if (name == "bfloat16") return DType::bf16;
  }
  return std::nullopt;
}

// MLX and others state the bits of a weight and how many share a scale.
std::string stored_in(const json& format) {
  if (!format.is_object()) return "";
  const auto bits = format.value("bits", json());
  const auto group = format.value("group_size", json());
  std::string text = bits.is_number_unsigned() ? fmt::format(" in {} bits", bits.dump()) : "";
  if (!text.empty() && group.is_number_unsigned())
    text += fmt::format(", groups of {}", group.dump());
  return text;
}

std::vector<std::string> notes_of(const HfValues& values, const HfFamily& family) {
  for (const auto& key : family.at("ignored")) values.know(key.get<std::string>());
  for (const auto& field : entry_of(family, "defaults").items()) values.know(field.key());
  refuse_other_sizes(values, family);
  std::vector<std::string> notes;
  if (auto unknown = values.unknown(); !unknown.empty()) {
    constexpr std::size_t kMostNamed = 10;
    const auto others = unknown.size() - std::min(unknown.size(), kMostNamed);
    unknown.resize(unknown.size() - others);
    notes.push_back(fmt::format("fields of no known effect on shapes: {}{}",
                                fmt::join(with_near_names(unknown, family), ", "),
                                others > 0 ? fmt::format(" and {} more", others) : ""));
  }
  for (const auto* field : {"quantization_config", "quantization"}) {
    if (!values.has(field)) continue;
    notes.push_back(
        fmt::format("{}: the weights are stored quantised{}; counts are those of the "
                    "model, bytes those of the precision that is asked for",
                    field, stored_in(values.at(field))));
    break;
  }
  const auto& labels = values.at("id2label");
  if (values.stated("num_labels") && labels.is_object() && values.at("num_labels") != labels.size())
    notes.push_back(fmt::format("num_labels: passed over, as in the library, for id2label has {}",
                                labels.size()));
  return notes;
}

// Fields of parts that the description does not have, with what they are, as the family states
// them.
std::vector<std::string> left_out_of(const HfValues& values, const HfFamily& family) {
  std::vector<std::string> parts;
  for (const auto& [field, what] : entry_of(family, "left_out").items())
    if (values.has(field) && values.at(field) != 0)
      parts.push_back(fmt::format("{}: {}", field, what.get<std::string>()));
  return parts;
}

bool reads_something_else(const std::string& key) {
  for (const auto* word : {"vision", "visual", "image", "img", "video", "audio", "speech", "mm_"})
    if (key.find(word) != std::string::npos) return true;
  return false;
}

// What a config holds beside its text part: the other parts of a composite one (`part` is its text
// part), or those that read no text beside the fields of a language model.
std::vector<std::string> other_parts(const json& config, const std::string& part) {
  std::vector<std::string> others;
  for (const auto& [key, value] : config.items()) {
    const bool ours = key == part || key == "quantization_config" || key == "compression_config" ||
                      key == "generation_config";
    const bool is_part = key == "mm_vision_tower" || key == "img_processor" ||
                         key == "embd_layer" ||
                         (key.ends_with("_config") && value.is_object() && !value.empty() &&
                          (!part.empty() || reads_something_else(key)));
    if (is_part && !ours && !value.is_null()) others.push_back(key);
  }
  return others;
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

ordered_json described(const json& config, const HfKind& kind, const std::string& path,
                       std::vector<Origin>& origins);

// Whether the text part's fields stand beside those of the whole, as earlier versions wrote them.
bool is_flat(const json& config, const HfFamily& family) {
  if (!family.at("part").contains("flat") || !text_part_of(config).empty()) return false;
  for (const auto& group : family.at("sizes"))
    for (const auto& name : group)
      if (config.contains(name.get<std::string>())) return true;
  return false;
}

// The language model of a composite config; the other parts are named as left out.
ordered_json part_of(const json& config, const HfKind& kind, const std::string& path,
                     std::vector<Origin>& origins) {
  const auto& part = kind.family->at("part");
  ordered_json spec;
  std::string field;
  const bool sees = describes_vision(config, *kind.family);
  if (is_flat(config, *kind.family)) {
    const auto* flat = find_hf_family(part["flat"].get<std::string>());
    const bool same_head = flat->at("heads").contains(kind.head);
    const HfKind inner_kind{
        flat, same_head ? kind.head : flat->at("default_head").get<std::string>(), {}};
    auto text = config;
    if (sees) text.erase("vision_config");
    spec = described(text, inner_kind, path, origins);
  } else {
    field = text_part_of(config);
    if (field.empty()) field = part.value("field", "text_config");
    auto inner = config.value(field, json());
    // Without it the class of the whole makes one, whose sizes may be its own.
    if (inner.is_null()) inner = part.value("absent", json::object());
    if (!inner.is_object()) fail("{}/{}: expected an object, got {}", path, field, inner.dump());
    if (!inner.contains("model_type") && part.contains("model_type"))
      inner["model_type"] = part["model_type"];
    // Whether the head is tied is said of the whole, or of the part.
    if (config.contains("tie_word_embeddings") && !inner.contains("tie_word_embeddings"))
      inner["tie_word_embeddings"] = config["tie_word_embeddings"];
    auto inner_kind = kind_of_config(inner, path + "/" + field);
    if (inner_kind.family->at("heads").contains(kind.head))
      inner_kind.head = kind.head;
    else if (!inner.contains("architectures"))
      inner_kind.head = inner_kind.family->at("default_head").get<std::string>();
    spec = described(inner, inner_kind, path + "/" + field, origins);
  }
  const bool seen = sees && spec.value("architecture", ordered_json()) == "decoder";
  if (seen) add_vision(config, *kind.family, path, spec);
  if (field.empty()) return spec;  // flat: the parts are told with the fields beside them
  auto others = other_parts(config, field);
  if (seen) others.erase(std::find(others.begin(), others.end(), "vision_config"));
  // The class makes such a part by itself where the config says nothing of it.
  if (others.empty() && !seen && !kind.family->contains("hidden"))
    spec["left_out"].push_back(
        "the part beside the language model that the class makes by default (vision_config or "
        "audio_config is absent): left out, all counts are the language model's");
  for (const auto& other : others)
    spec["left_out"].push_back(fmt::format(
        "{}: left out, all counts are {}", other,
        seen ? "the language model's and the image encoder's" : "the language model's"));
  return spec;
}

// The fields of a config of any family; `origins` tells where they stand.
ordered_json described(const json& config, const HfKind& kind, const std::string& path,
                       std::vector<Origin>& origins) {
  const bool composite = kind.family->contains("part");
  if (!composite) {
    origins = origins_of(*kind.family);
    if (!path.empty()) origins.front().path = path;
  }
  auto spec = composite ? part_of(config, kind, path, origins)
                        : hf_spec(config, *kind.family, kind.head, path);
  for (const auto& note : kind.notes) spec["notes"].push_back(note);
  for (const auto& part : kind.left_out) spec["left_out"].push_back(part);
  return spec;
}

ordered_json describe(json config, const HfKind& kind, const json& preprocessor,
                      std::vector<Origin>& origins) {
  const auto& family = *kind.family;
  // The image is that of the model itself, or of its tower.
  json* image = nullptr;
  if (entry_of(family, "defaults").contains("image_size")) image = &config;
  if (family.contains("towers") && config.value("vision_config", json()).is_object())
    image = &config["vision_config"];
  if (image != nullptr && image->value("image_size", json()).is_null())
    if (auto size = image_size_of(preprocessor); !size.is_null())
      (*image)["image_size"] = std::move(size);
  return described(config, kind, "", origins);
}

// What is said of the description, which is no field of the spec.
std::vector<std::string> taken_out(ordered_json& spec, const char* key, const std::string& source) {
  std::vector<std::string> sentences;
  for (const auto& sentence : spec[key])
    sentences.push_back(fmt::format("{}: {}", source, sentence.get<std::string>()));
  spec.erase(key);
  return sentences;
}

}  // namespace

namespace {

// The params.json beside the weights that Meta and Mistral publish.
bool is_meta_params(const json& config) {
  return config.is_object() && config.contains("dim") && config.contains("n_layers") &&
         config.contains("n_heads") && !config.contains("model_type") &&
         !config.contains("architectures") && !config.contains("architecture");
}

}  // namespace

bool is_hf_config(const json& config) {
  if (is_meta_params(config)) return true;
  return config.is_object() && (config.contains("model_type") || config.contains("architectures") ||
                                config.contains("_class_name"));
}

ordered_json hf_spec(const json& config, const HfFamily& family, const std::string& head,
                     const std::string& path) {
  if (!config.is_object()) fail("{}: expected an object, got {}", path, brief(config));
  const HfValues values(without_aliases(config, family, path), entry_of(family, "defaults"), path);
  check_hf_values(values, family);
  const auto others =
      family.at("architecture") == "decoder" ? other_parts(config, "") : std::vector<std::string>();
  for (const auto& other : others) values.know(other);
  ordered_json spec = {{"architecture", family.at("architecture")}};
  for (const auto& [key, value] : entry_of(family, "spec").items()) spec[key] = value;
  for (const auto& [key, value] : family.at("heads").at(head).items()) spec[key] = value;
  copy_fields(values, family, spec);
  for (const auto& rule : entry_of(family, "rules"))
    find_hf_rule(rule.get<std::string>()).apply(values, family, spec);
  for (const auto& [target, expression] : entry_of(family, "derive").items())
    if (const auto value = derived(expression, values); !value.is_null() && value != json::array())
      set_at(spec, target, value);
  auto left_out = left_out_of(values, family);
  for (const auto& other : others)
    left_out.push_back(fmt::format("{}: left out, all counts are the language model's", other));
  auto by_default = absent_sizes(values, family);
  if (!path.empty())
    for (auto& note : by_default) note = path.substr(1) + "/" + note;
  auto notes = notes_of(values, family);
  for (const auto& said : entry_of(family, "says"))
    if (derived(said.at("when"), values) == true)
      notes.push_back(said.at("note").get<std::string>());
  // Those of the parts that a rule has described.
  for (const auto& note : spec["notes"]) notes.push_back(note.get<std::string>());
  for (const auto& part : spec["left_out"]) left_out.push_back(part.get<std::string>());
  spec["notes"] = std::move(notes);
  spec["left_out"] = std::move(left_out);
  for (auto& note : by_default) spec["by_default"].push_back(note);
  return spec;
}

Model model_from_hf_config(const json& config, const std::string& source,
                           const std::string& fallback_name, const json& preprocessor) {
  if (is_meta_params(config)) {
    auto typed = config;
    typed["model_type"] = "meta_params";
    return model_from_hf_config(typed, source, fallback_name, preprocessor);
  }
  HfKind kind;
  ordered_json spec;
  std::vector<Origin> origins;
  try {
    kind = kind_of_config(config, "");
    spec = describe(config, kind, preprocessor, origins);
  } catch (const Error& error) {
    throw error.within(source);
  }
  const auto name = config.find("name");
  if (name != config.end() && name->is_string()) spec["name"] = *name;
  const auto notes = taken_out(spec, "notes", source);
  const auto left_out = taken_out(spec, "left_out", source);
  const auto by_default = taken_out(spec, "by_default", source);
  try {
    auto model = model_from_spec(json(spec), source, fallback_name);
    model.notes.insert(model.notes.end(), notes.begin(), notes.end());
    model.left_out = left_out;
    model.by_default = by_default;
    model.checkpoint_keys = hf_checkpoint_keys(*kind.family, kind.head);
    model.dtype = stated_dtype(config);
    model.library = Library::transformers;
    return model;
  } catch (const Error& error) {
    throw Error(in_their_words(error.what(), origins));
  }
}

Model model_from_json(const json& description, const std::string& source,
                      const std::string& fallback_name, const json& preprocessor) {
  if (is_pipeline_spec(description))
    return model_from_pipeline_spec(description, source, fallback_name);
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
