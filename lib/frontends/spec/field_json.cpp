#include "frontends/spec/field_json.h"

#include "core/error.h"
#include "core/suggest.h"
#include "core/text.h"
#include "frontends/spec/json_text.h"
#include "graph/op.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::string limit(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? fmt::format("{:.0f}", value)
                                                              : fmt::format("{:g}", value);
}

double number(const Field& f, const json& value) {
  if (!value.is_number()) fail("expected a number, got {}", brief(value));
  const auto x = value.get<double>();
  if (!std::isfinite(x)) fail("expected a finite number, got {}", brief(value));
  if (f.min_excluded && x <= f.min) fail("{} is too small; above {}", brief(value), limit(f.min));
  if (x < f.min) fail("{} is too small; at least {}", brief(value), limit(f.min));
  if (f.max_excluded && x >= f.max) fail("{} is too large; below {}", brief(value), limit(f.max));
  if (x > f.max) fail("{} is too large; at most {}", brief(value), limit(f.max));
  return x;
}

std::uint64_t integer(const Field& f, const json& value) {
  if (!value.is_number()) fail("expected an integer, got {}", brief(value));
  const auto x = value.get<double>();
  if (x != std::floor(x)) fail("expected an integer, got {}", brief(value));
  if (x < std::max(f.min, 0.0)) fail("{} is too small; at least {}", brief(value), limit(f.min));
  (void)number(f, value);
  return value.is_number_float() ? static_cast<std::uint64_t>(x) : value.get<std::uint64_t>();
}

// The chosen name as the field spells it.
std::string choice(const Field& f, const json& value) {
  if (!value.is_string()) fail("expected a string, got {}", brief(value));
  auto text = value.get<std::string>();
  if (f.choices.empty()) return text;
  for (auto known : f.choices)
    if (lower_case(known) == lower_case(text)) return std::string(known);
  const std::vector<std::string> names(f.choices.begin(), f.choices.end());
  fail("unknown value '{}'; one of '{}'{}", text, fmt::join(names, "', '"),
       did_you_mean(text, names));
}

bool boolean(const json& value) {
  if (!value.is_boolean()) fail("expected true or false, got {}", brief(value));
  return value.get<bool>();
}

// An entry of a list, whose faults begin with its place: "/3: ...".
template <class Read>
auto entry(const json& list, std::size_t index, Read&& read) {
  try {
    return read(list[index]);
  } catch (const Error& error) {
    throw error.within(fmt::format("/{}", index));
  }
}

Size2 size2(const Field& f, const json& value) {
  if (value.is_null() && f.null_allowed) return {};
  if (!value.is_array()) {
    const auto side = integer(f, value);
    return {side, side};
  }
  if (value.size() != 2) fail("expected one number or [height, width], got {}", brief(value));
  return {entry(value, 0, [&](const json& v) { return integer(f, v); }),
          entry(value, 1, [&](const json& v) { return integer(f, v); })};
}

LayerSpec layer(const Field& f, const json& value) {
  LayerSpec spec;
  if (value.is_null()) return spec;
  if (!value.is_object()) {
    spec.kind = choice(f, value);
    return spec;
  }
  if (!value.contains("kind")) fail("a layer with options needs its \"kind\"");
  spec.kind = choice(f, value["kind"]);
  std::vector<std::string> options;
  for (const auto& option : f.options)
    if (option.kind.empty() || option.kind == spec.kind) options.emplace_back(option.name);
  for (const auto& [key, option] : value.items()) {
    if (key == "kind") continue;
    if (std::find(options.begin(), options.end(), key) == options.end())
      fail("unknown option '{}' of \"{}\"{}", key, spec.kind, did_you_mean(key, options));
    if (key == "eps")
      spec.eps = number(Field{}, option);
    else if (key == "act_layer")
      spec.act_layer = choice(Field{}, option);
    else if (key == "gate_last")
      spec.gate_last = boolean(option);
    else
      spec.init_values = number(Field().at_least(-1e18), option);
  }
  return spec;
}

template <class T, class Read>
std::vector<T> list(const Field& f, const json& value, Read&& read) {
  std::vector<T> result;
  if (value.is_null() && f.null_allowed) return result;
  if (!value.is_array()) return {read(value)};
  if (value.size() > 4096) fail("a list of {} entries is too long", value.size());
  for (std::size_t i = 0; i < value.size(); ++i) result.push_back(entry(value, i, read));
  if (result.empty()) fail("expected a list of at least one entry");
  return result;
}

}  // namespace

void read_field(const Field& f, const FieldRef& ref, const json& value) {
  std::visit(Overloaded{
                 [&](bool* p) { *p = boolean(value); },
                 [&](std::uint64_t* p) { *p = integer(f, value); },
                 [&](double* p) { *p = number(f, value); },
                 [&](std::string* p) {
                   *p = value.is_null() && f.null_allowed ? std::string() : choice(f, value);
                 },
                 [&](Size2* p) { *p = size2(f, value); },
                 [&](LayerSpec* p) { *p = layer(f, value); },
                 [&](std::optional<bool>* p) {
                   *p = value.is_null() ? std::nullopt : std::optional(boolean(value));
                 },
                 [&](std::optional<std::uint64_t>* p) {
                   *p = value.is_null() ? std::nullopt : std::optional(integer(f, value));
                 },
                 [&](std::optional<double>* p) {
                   *p = value.is_null() ? std::nullopt : std::optional(number(f, value));
                 },
                 [&](std::vector<std::uint64_t>* p) {
                   *p = list<std::uint64_t>(f, value, [&](const json& v) { return integer(f, v); });
                 },
                 [&](std::vector<double>* p) {
                   *p = list<double>(f, value, [&](const json& v) { return number(f, v); });
                 },
                 [&](std::vector<std::string>* p) {
                   *p = list<std::string>(f, value, [&](const json& v) { return choice(f, v); });
                 },
             },
             ref);
}

namespace {

ordered_json written(const LayerSpec& layer) {
  if (layer.kind.empty()) return nullptr;
  ordered_json options = {{"kind", layer.kind}};
  if (layer.eps) options["eps"] = *layer.eps;
  if (layer.act_layer) options["act_layer"] = *layer.act_layer;
  if (layer.gate_last) options["gate_last"] = *layer.gate_last;
  if (layer.init_values) options["init_values"] = *layer.init_values;
  return options.size() == 1 ? ordered_json(layer.kind) : options;
}

ordered_json written(const Field& f, const Size2& size) {
  if (size == Size2{} && f.null_allowed) return nullptr;
  if (size.height == size.width) return size.height;
  return ordered_json::array({size.height, size.width});
}

}  // namespace

ordered_json write_field(const Field& f, const FieldRef& ref) {
  return std::visit(
      Overloaded{
          [](const bool* p) { return ordered_json(*p); },
          [](const std::uint64_t* p) { return ordered_json(*p); },
          [](const double* p) { return ordered_json(*p); },
          [&](const std::string* p) {
            return p->empty() && f.null_allowed ? ordered_json(nullptr) : ordered_json(*p);
          },
          [&](const Size2* p) { return written(f, *p); },
          [](const LayerSpec* p) { return written(*p); },
          [&](const auto* optional_or_list) -> ordered_json {
            if constexpr (requires { optional_or_list->has_value(); })
              return optional_or_list->has_value() ? ordered_json(**optional_or_list)
                                                   : ordered_json(nullptr);
            else
              return optional_or_list->empty() && f.null_allowed ? ordered_json(nullptr)
                                                                 : ordered_json(*optional_or_list);
          },
      },
      ref);
}

namespace {

ordered_json limited(const Field& f, const char* type) {
  ordered_json schema = {{"type", type}};
  const auto least = f.min_excluded ? "exclusiveMinimum" : "minimum";
  schema[least] = f.min;
  if (f.min == std::floor(f.min)) schema[least] = static_cast<std::int64_t>(f.min);
  if (f.max < 1e18) {
    const auto key = f.max_excluded ? "exclusiveMaximum" : "maximum";
    schema[key] = f.max;
    if (f.max == std::floor(f.max)) schema[key] = static_cast<std::int64_t>(f.max);
  }
  return schema;
}

ordered_json either(ordered_json a, ordered_json b) {
  return {{"anyOf", ordered_json::array({std::move(a), std::move(b)})}};
}

const ordered_json& null_schema() {
  static const ordered_json schema = {{"type", "null"}};
  return schema;
}

// Choices are compared without case, so the schema offers their spelling without enforcing it.
ordered_json string_schema(const Field& f) {
  ordered_json schema = {{"type", "string"}};
  if (!f.choices.empty()) schema["examples"] = f.choices;
  return schema;
}

ordered_json list_of(const Field& f, ordered_json item) {
  ordered_json array = {{"type", "array"}, {"minItems", 1}, {"items", item}};
  auto schema = either(std::move(item), std::move(array));
  if (f.null_allowed) schema["anyOf"].push_back(null_schema());
  return schema;
}

ordered_json type_schema(const Field& f, const FieldRef& ref) {
  return std::visit(
      Overloaded{
          [](const bool*) {
            return ordered_json{{"type", "boolean"}};
          },
          [&](const std::uint64_t*) { return limited(f, "integer"); },
          [&](const double*) { return limited(f, "number"); },
          [&](const std::string*) {
            return f.null_allowed ? either(string_schema(f), null_schema()) : string_schema(f);
          },
          [&](const Size2*) {
            auto side = limited(f, "integer");
            ordered_json pair = {
                {"type", "array"}, {"minItems", 2}, {"maxItems", 2}, {"items", side}};
            auto schema = either(std::move(side), std::move(pair));
            if (f.null_allowed) schema["anyOf"].push_back(null_schema());
            return schema;
          },
          [&](const LayerSpec*) {
            const ordered_json types = {{"eps", {{"type", "number"}, {"minimum", 0}}},
                                        {"act_layer", {{"type", "string"}}},
                                        {"gate_last", {{"type", "boolean"}}},
                                        {"init_values", {{"type", "number"}}}};
            ordered_json properties = {{"kind", string_schema(f)}};
            for (const auto& option : f.options)
              properties[std::string(option.name)] = types.at(std::string(option.name));
            ordered_json object = {{"type", "object"},
                                   {"required", ordered_json::array({"kind"})},
                                   {"additionalProperties", false},
                                   {"properties", std::move(properties)}};
            return ordered_json{{"anyOf", ordered_json::array({string_schema(f), std::move(object),
                                                               null_schema()})}};
          },
          [](const std::optional<bool>*) {
            return either({{"type", "boolean"}}, null_schema());
          },
          [&](const std::optional<std::uint64_t>*) {
            return either(limited(f, "integer"), null_schema());
          },
          [&](const std::optional<double>*) { return either(limited(f, "number"), null_schema()); },
          [&](const std::vector<std::uint64_t>*) { return list_of(f, limited(f, "integer")); },
          [&](const std::vector<double>*) { return list_of(f, limited(f, "number")); },
          [&](const std::vector<std::string>*) { return list_of(f, string_schema(f)); },
      },
      ref);
}

}  // namespace

ordered_json field_schema(const Field& f, const FieldRef& defaults) {
  auto schema = type_schema(f, defaults);
  schema["description"] = f.doc;
  schema["default"] = write_field(f, defaults);
  return schema;
}

}  // namespace vitals
