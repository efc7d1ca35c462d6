#include "spec/builtin.h"

#include "core/suggest.h"
#include "spec/builtin_specs.h"
#include "spec/json_text.h"
#include "spec/spec.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

const BuiltinSpec* find(std::string_view name) {
  const auto specs = builtin_specs();
  const auto it = std::lower_bound(specs.begin(), specs.end(), name,
                                   [](const BuiltinSpec& s, auto n) { return s.name < n; });
  return it != specs.end() && it->name == name ? &*it : nullptr;
}

}  // namespace

const std::vector<std::string>& builtin_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& spec : builtin_specs()) all.emplace_back(spec.name);
    return all;
  }();
  return names;
}

std::string builtin_canonical(std::string_view name) {
  if (find(name) != nullptr) return std::string(name);
  const auto with_resolution = std::string(name) + "_224";
  return find(with_resolution) != nullptr ? with_resolution : std::string();
}

Model builtin_model(std::string_view name, const std::string& origin) {
  const auto* spec = find(builtin_canonical(name));
  if (spec == nullptr) {
    const auto hint = did_you_mean(name, builtin_names());
    fail("{}unknown model '{}'{}", origin.empty() ? "" : origin + ": ", name,
         hint.empty() ? "; `vitals list` shows the built-in ones" : hint);
  }
  const auto source = fmt::format("built-in {}", spec->name);
  return model_from_spec(parse_json(spec->json, source), source, std::string(spec->name));
}

}  // namespace vitals
