#include "frontends/sweep/sweep_file.h"

#include "core/error.h"
#include "core/suggest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

using SweepJson = nlohmann::ordered_json;

const std::vector<std::string> kSweepKeys = {"base", "grid", "options", "figures"};

void check_sweep_keys(const SweepJson& document, const SweepPlaces& places) {
  if (!document.is_object())
    fail("{}: expected an object with {}", places.at(""), fmt::join(kSweepKeys, ", "));
  for (const auto& [key, value] : document.items())
    if (std::find(kSweepKeys.begin(), kSweepKeys.end(), key) == kSweepKeys.end())
      fail("{}: unknown key '{}'{}; there is {}", places.at("/" + key), key,
           did_you_mean(key, kSweepKeys), fmt::join(kSweepKeys, ", "));
  for (const char* key : {"base", "figures"})
    if (!document.contains(key)) fail("{}: '{}' is missing", places.at(""), key);
}

// One value stands for a list of one.
std::vector<std::string> axis_values(const SweepJson& value, const std::string& at) {
  std::vector<std::string> values;
  if (!value.is_array()) return {value.dump()};
  for (const auto& one : value) {
    auto text = one.dump();
    if (std::find(values.begin(), values.end(), text) != values.end())
      fail("{}: {} stands there twice", at, text);
    values.push_back(std::move(text));
  }
  if (values.empty()) fail("{}: the list of values is empty", at);
  return values;
}

void add_axes(Sweep& sweep, const SweepJson& document, const SweepPlaces& places, bool option) {
  const std::string key = option ? "options" : "grid";
  const auto it = document.find(key);
  if (it == document.end()) return;
  if (!it->is_object())
    fail("{}: expected an object of names and lists of values", places.at("/" + key));
  for (const auto& [name, value] : it->items()) {
    const auto at = places.at("/" + key + "/" + name);
    for (const auto& axis : sweep.axes)
      if (axis.name == name) fail("{}: '{}' is in grid and in options", at, name);
    sweep.axes.push_back({name, option, axis_values(value, at)});
  }
}

void add_bases(SweepFile& file, const SweepJson& base, const SweepPlaces& places) {
  if (base.is_array() && base.empty()) fail("{}: the list of models is empty", places.at("/base"));
  const auto list = base.is_array() ? base : SweepJson::array({base});
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto& one = list[i];
    const auto at = places.at(base.is_array() ? fmt::format("/base/{}", i) : "/base");
    if (!one.is_string() && !one.is_object())
      fail("{}: expected a model's name, a path or a spec, got {}", at, one.dump());
    file.bases.push_back(one.dump());
    auto label = one.is_string() ? one.get<std::string>() : "";
    if (one.is_object() && one.contains("name") && one["name"].is_string())
      label = one["name"].get<std::string>();
    if (label.empty()) label = fmt::format("base {}", i + 1);
    auto& models = file.sweep.models;
    if (std::find(models.begin(), models.end(), label) != models.end())
      fail("{}: a model '{}' stands there twice; give one of them another name", at, label);
    models.push_back(label);
  }
}

void add_figures(Sweep& sweep, const SweepJson& figures, const SweepPlaces& places) {
  if (!figures.is_array() || figures.empty())
    fail("{}: expected a list of figures", places.at("/figures"));
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const auto at = places.at(fmt::format("/figures/{}", i));
    if (!figures[i].is_string()) fail("{}: expected a figure's name", at);
    const auto name = figures[i].get<std::string>();
    if (std::find(sweep.figures.begin(), sweep.figures.end(), name) != sweep.figures.end())
      fail("{}: '{}' stands there twice", at, name);
    sweep.figures.push_back(name);
  }
}

}  // namespace

SweepFile sweep_from(const SweepJson& document, const SweepPlaces& places) {
  check_sweep_keys(document, places);
  SweepFile file;
  add_bases(file, document["base"], places);
  add_axes(file.sweep, document, places, false);
  add_axes(file.sweep, document, places, true);
  add_figures(file.sweep, document["figures"], places);
  return file;
}

}  // namespace vitals
