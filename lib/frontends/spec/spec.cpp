#include "frontends/spec/spec.h"

#include "core/suggest.h"
#include "core/text.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/field_json.h"
#include "frontends/spec/json_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kMaxNameBytes = 256;

const Field* find_field(const Architecture& a, std::string_view name) {
  for (const auto& f : a.fields)
    if (f.name == name) return &f;
  return nullptr;
}

const Alias* find_alias(const Architecture& a, std::string_view name) {
  for (const auto& alias : a.field_aliases)
    if (alias.name == name) return &alias;
  return nullptr;
}

std::vector<std::string> known_keys(const Architecture& a) {
  std::vector<std::string> keys = {"name", "architecture", "base"};
  for (const auto& f : a.fields) keys.emplace_back(f.name);
  for (const auto& alias : a.field_aliases) keys.emplace_back(alias.name);
  return keys;
}

// The fields that a key sets: the one of that name, or those of an alias.
std::vector<const Field*> fields_called(const Architecture& a, std::string_view key) {
  if (const auto* f = find_field(a, key)) return {f};
  std::vector<const Field*> fields;
  if (const auto* alias = find_alias(a, key))
    for (auto name : alias->fields) fields.push_back(find_field(a, name));
  return fields;
}

void set_field(const Architecture& a, void* config, const std::string& key, const json& value) {
  const auto fields = fields_called(a, key);
  if (fields.empty())
    fail("unknown field of architecture '{}'{}", a.name, did_you_mean(key, known_keys(a)));
  for (const auto* f : fields) read_field(*f, f->access(config), value);
}

// Two names for one thing must not contradict each other in one spec.
void refuse_double_names(const Architecture& a, const json& spec, const std::string& source) {
  for (const auto& alias : a.field_aliases) {
    if (!spec.contains(std::string(alias.name))) continue;
    for (auto name : alias.fields)
      if (spec.contains(std::string(name)))
        fail("{}: /{}: stands beside '{}', which sets the same; keep one of them", source,
             alias.name, name);
  }
}

// Names end up on terminals and in reports.
std::string checked_name(const json& value) {
  if (!value.is_string()) fail("expected a string, got {}", brief(value));
  auto text = value.get<std::string>();
  if (text.size() > kMaxNameBytes) fail("longer than {} bytes", kMaxNameBytes);
  if (!is_printable_line(text)) fail("'{}' holds a control character", text);
  return text;
}

std::string text_of(const json& spec, const std::string& key, const std::string& source) {
  try {
    return checked_name(spec.at(key));
  } catch (const Error& error) {
    throw error.within(fmt::format("{}: /{}", source, key));
  }
}

// Where the fields start from: a base model's config, or the architecture's defaults.
struct Start {
  const Architecture* architecture;
  std::shared_ptr<void> config;
};

Start start_of(const json& spec, const std::string& source) {
  if (spec.contains("base")) {
    const auto base = builtin_model(text_of(spec, "base", source), source + ": /base");
    if (spec.contains("architecture")) {
      const auto* named = find_architecture(text_of(spec, "architecture", source));
      if (named != base.architecture)
        fail("{}: /architecture: '{}' contradicts the base, which is a '{}'; leave it out", source,
             spec["architecture"].get<std::string>(), base.architecture->name);
    }
    return {base.architecture, base.architecture->clone(base.config.get())};
  }
  if (!spec.contains("architecture"))
    fail(
        "{}: missing field 'architecture' (or 'base', the name of a built-in model to start "
        "from); known architectures: {}",
        source, fmt::join(architecture_names(), ", "));
  const auto name = text_of(spec, "architecture", source);
  const auto* architecture = find_architecture(name);
  if (architecture == nullptr && !builtin_canonical(name).empty())
    fail("{}: /architecture: '{}' is a built-in model; to start from it, write \"base\": \"{}\"",
         source, name, builtin_canonical(name));
  if (architecture == nullptr)
    fail("{}: /architecture: unknown architecture '{}'{} (known: {})", source, name,
         did_you_mean(name, architecture_names()), fmt::join(architecture_names(), ", "));
  return {architecture, architecture->make()};
}

void validate(const Model& model, const std::string& source) {
  try {
    model.architecture->validate(model.config.get());
  } catch (const Error& error) {
    throw error.within(source);
  }
}

// A copy of the field's JSON with the value set at the inner path "eps" or "a.b".
json nested(json whole, std::string_view path, const json& value) {
  const auto dot = path.find('.');
  const std::string key(path.substr(0, dot));
  if (whole.is_string()) whole = json{{"kind", whole}};
  if (whole.is_null()) fail("is null and has no '{}'; set it to a value first", key);
  if (!whole.is_object()) fail("has no inner field '{}'", key);
  whole[key] = dot == std::string_view::npos
                   ? value
                   : nested(whole.value(key, json()), path.substr(dot + 1), value);
  return whole;
}

json override_value(const std::string& text) {
  auto value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(text) : value;
}

// "depth 24, num_classes 10"
std::string changes_between(const Architecture& a, const void* before, const void* after) {
  // Access is not const-correct because it also serves parsing.
  const auto old_config = a.clone(before);
  const auto new_config = a.clone(after);
  std::string changes;
  for (const auto& f : a.fields) {
    const auto value = write_field(f, f.access(new_config.get()));
    if (value == write_field(f, f.access(old_config.get()))) continue;
    changes += fmt::format("{}{} {}", changes.empty() ? "" : ", ", f.name, brief(value));
  }
  return changes;
}

}  // namespace

Model model_from_spec(const json& spec, const std::string& source,
                      const std::string& fallback_name) {
  if (!spec.is_object()) fail("{}: expected a JSON object, got {}", source, spec.type_name());
  auto [architecture, config] = start_of(spec, source);
  refuse_double_names(*architecture, spec, source);
  Model model{spec.contains("name") ? text_of(spec, "name", source) : fallback_name,
              architecture,
              nullptr,
              {},
              nullptr};
  for (const auto& [key, value] : spec.items()) {
    if (key == "name" || key == "base" || key == "architecture" || key == "$schema") continue;
    try {
      set_field(*architecture, config.get(), key, value);
    } catch (const Error& error) {
      // "/layer_types: ...", "/layer_types/3: ..."
      const std::string_view what = error.what();
      throw Error(fmt::format("{}: /{}{}{}", source, key, what.starts_with('/') ? "" : ": ", what));
    }
  }
  model.config = config;
  model.library = model.reads_images() ? Library::timm : Library::transformers;
  validate(model, source);
  return model;
}

Model with_overrides(const Model& model, const std::vector<Override>& overrides) {
  if (overrides.empty()) return model;
  const auto& a = *model.architecture;
  auto config = a.clone(model.config.get());
  Model changed = model;
  changed.config = config;
  std::string origins;
  bool renamed = false;
  for (const auto& o : overrides) {
    origins += (origins.empty() ? "" : ", ") + o.origin;
    try {
      auto value = override_value(o.value);
      const auto dot = o.key.find('.');
      const auto key = o.key.substr(0, dot);
      if (key == "name") {
        changed.name = checked_name(value.is_string() ? value : json(o.value));
        renamed = true;
        continue;
      }
      if (key == "architecture" || key == "base") fail("{} cannot be changed", key);
      const auto fields = fields_called(a, key);
      if (fields.empty())
        set_field(a, config.get(), o.key, value);  // which says that it is unknown
      for (const auto* f : fields) {
        const auto at = f->access(config.get());
        // A field of text takes "1" as text.
        if (std::holds_alternative<std::string*>(at) && !value.is_null())
          value = json(value.is_string() ? value.get<std::string>() : o.value);
        read_field(*f, at,
                   dot == std::string::npos
                       ? value
                       : nested(write_field(*f, at), o.key.substr(dot + 1), value));
      }
    } catch (const Error& error) {
      throw error.within(o.origin);
    }
  }
  validate(changed, model.name + " with " + origins);
  if (!renamed) changed.changes = changes_between(a, model.config.get(), config.get());
  if (model.stored != nullptr && !changes_between(a, model.config.get(), config.get()).empty()) {
    changed.stored = nullptr;
    changed.notes.push_back(fmt::format(
        "{}: with {} changed, the weights that the file stores are not the model's; they "
        "are passed over",
        model.name, origins));
  }
  return changed;
}

ordered_json spec_of(const Model& model) {
  if (!model.document.empty()) return ordered_json::parse(model.document);
  ordered_json spec = {{"name", model.name}, {"architecture", model.architecture->name}};
  // Access is not const-correct because it also serves parsing; a copy keeps the model untouched.
  const auto config = model.architecture->clone(model.config.get());
  for (const auto& f : model.architecture->fields)
    spec[std::string(f.name)] = write_field(f, f.access(config.get()));
  return spec;
}

namespace {

ordered_json architecture_schema(const Architecture& a) {
  ordered_json names = ordered_json::array({a.name});
  for (auto alias : a.aliases) names.push_back(alias);
  ordered_json schema = ordered_json::object();
  schema["title"] = a.name;
  schema["description"] = a.doc;
  schema["type"] = "object";
  schema["required"] = ordered_json::array({"architecture"});
  auto& properties = schema["properties"] = ordered_json::object();
  properties["$schema"] = {{"type", "string"}};
  properties["name"] = {{"type", "string"}, {"maxLength", kMaxNameBytes}};
  properties["architecture"] = {{"enum", names}};
  const auto defaults = a.make();
  for (const auto& f : a.fields)
    properties[std::string(f.name)] = field_schema(f, f.access(defaults.get()));
  for (const auto& alias : a.field_aliases) {
    const auto* f = find_field(a, alias.fields.front());
    auto field = field_schema(*f, f->access(defaults.get()));
    field["description"] =
        fmt::format("{} The same as {}.", alias.doc, fmt::join(alias.fields, " and "));
    properties[std::string(alias.name)] = field;
  }
  schema["additionalProperties"] = false;
  return schema;
}

}  // namespace

ordered_json spec_schema() {
  ordered_json schema = ordered_json::object();
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = "vitals model spec";
  ordered_json based = ordered_json::object();
  based["title"] = "a built-in model with fields overridden";
  based["type"] = "object";
  based["required"] = ordered_json::array({"base"});
  based["properties"] = {{"base", {{"type", "string"}}}, {"name", {{"type", "string"}}}};
  auto& any = schema["anyOf"] = ordered_json::array({based});
  for (const auto& a : architectures()) any.push_back(architecture_schema(a));
  return schema;
}

}  // namespace vitals
