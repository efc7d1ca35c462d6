#include "frontends/hf/checks.h"

#include "core/suggest.h"
#include "frontends/spec/json_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace vitals {
namespace {

using nlohmann::json;

void check_supported(const HfValues& values, const HfFamily& family) {
  for (const auto& [key, allowed] : entry_of(family, "only").items()) {
    if (!values.stated(key)) continue;
    if (std::find(allowed.begin(), allowed.end(), values.at(key)) == allowed.end())
      values.refuse(key, fmt::format("{} changes the model's shape in a way that is not supported",
                                     brief(values.at(key))));
  }
  for (const auto& key : entry_of(family, "positive"))
    if (values.at(key.get<std::string>()) == 0)
      values.refuse(key.get<std::string>(), "0 is too small; at least 1");
}

// What has no effect on a shape is not read, but must be what the library could read.
void check_types(const HfValues& values) {
  for (const auto* key : {"rope_scaling", "rope_parameters", "label2id"})
    if (values.stated(key) && values.has(key) && !values.at(key).is_object())
      values.refuse(key, "expected an object or null, got " + brief(values.at(key)));
  for (const auto* key : {"torch_dtype", "dtype"}) {
    const auto& value = values.stated(key) ? values.at(key) : json();
    if (value.is_null() || value.is_object()) continue;  // an object has one for each part
    if (!value.is_string()) values.refuse(key, "expected a string, got " + brief(value));
    auto name = value.get<std::string>();
    if (name.starts_with("torch.")) name.erase(0, std::string_view("torch.").size());
    const std::vector<std::string> known = {"auto",    "float32",       "float16",     "bfloat16",
                                            "float64", "float8_e4m3fn", "float8_e5m2", "float",
                                            "half",    "double",        "int8",        "uint8"};
    if (std::find(known.begin(), known.end(), name) == known.end())
      values.refuse(key, fmt::format("unknown type '{}'{}", name, did_you_mean(name, known)));
  }
}

void check_labels(const HfValues& values) {
  const auto& names = values.at("id2label");
  if (names.is_null()) return;
  if (!names.is_object())
    values.refuse("id2label", "expected an object like {\"0\": \"cat\"}, got " + brief(names));
}

// The family's own fields of a group of names that mean the same size.
std::vector<std::string> own_fields(const json& group, const HfFamily& family) {
  std::vector<std::string> own;
  for (const auto& name : group)
    if (family.at("fields").contains(name.get<std::string>())) own.push_back(name);
  return own;
}

// Whether a default is a size that moves counts: an integer that the family reads, and that is none
// of those which move no parameter ("no_size").
bool is_size(const std::string& name, const json& value, const HfFamily& family) {
  auto among = [&](const char* list) {
    const auto& names = entry_of(family, list);
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const bool several =
      value.is_array() && !value.empty() &&
      std::all_of(value.begin(), value.end(), [](auto& x) { return x.is_number_integer(); });
  return (value.is_number_integer() || several) && value != 0 && !among("no_size") &&
         !among("ignored");
}

}  // namespace

void refuse_other_sizes(const HfValues& values, const HfFamily& family) {
  const auto unknown = values.unknown();
  for (const auto& group : entry_of(family, "sizes")) {
    const auto own = own_fields(group, family);
    if (own.empty() ||
        std::any_of(own.begin(), own.end(), [&](auto& f) { return values.stated(f); }))
      continue;
    for (const auto& name : unknown)
      if (std::find(group.begin(), group.end(), name) != group.end())
        values.refuse(name,
                      fmt::format("model_type '{}' does not read this field, and its own '{}' "
                                  "is absent; did you mean '{}'?",
                                  family["name"].get<std::string>(), own.front(), own.front()));
  }
}

std::vector<std::string> absent_sizes(const HfValues& values, const HfFamily& family) {
  std::vector<std::string> absent;
  std::set<std::string> told;
  const auto& groups = entry_of(family, "sizes");
  for (std::size_t i = 0; i < std::min<std::size_t>(2, groups.size()); ++i)
    for (const auto& name : own_fields(groups[i], family))
      if (!values.stated(name) && values.has(name) && told.insert(name).second)
        absent.push_back(fmt::format("{}: absent; its class's default {} is taken", name,
                                     brief(values.at(name))));
  std::vector<std::string> others;
  for (const auto& [name, value] : entry_of(family, "defaults").items())
    if (is_size(name, value, family) && !values.stated(name) && !told.contains(name))
      others.push_back(fmt::format("{} {}", name, brief(value)));
  if (!others.empty())
    absent.push_back(
        fmt::format("absent sizes, taken from the class's defaults: {}", fmt::join(others, ", ")));
  return absent;
}

void check_hf_values(const HfValues& values, const HfFamily& family) {
  check_supported(values, family);
  check_types(values);
  check_labels(values);
}

std::vector<std::string> with_near_names(const std::vector<std::string>& unknown,
                                         const HfFamily& family) {
  std::vector<std::string> known;
  for (const auto* part : {"fields", "defaults", "aliases"})
    for (const auto& field : entry_of(family, part).items()) known.push_back(field.key());
  std::vector<std::string> hinted;
  for (const auto& name : unknown) {
    const auto near = nearest(name, known, 1);
    hinted.push_back(near.empty() ? name
                                  : fmt::format("{} (did you mean '{}'?)", name, near.front()));
  }
  return hinted;
}

}  // namespace vitals
