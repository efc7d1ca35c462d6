#include "report/model_list.h"

#include "cost/rollup.h"
#include "report/figures.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace vitals {
namespace {

bool takes_images(const ListedModel& m) { return m.input.rank() == 4; }

// "224", "224x160" (height x width) as --img-size takes it; empty for models without images.
std::string img_size(const ListedModel& m) {
  if (!takes_images(m)) return "";
  if (m.input[2] == m.input[3]) return fmt::format("{}", m.input[2]);
  return fmt::format("{}x{}", m.input[2], m.input[3]);
}

std::uint64_t pixels(const ListedModel& m) {
  return takes_images(m) ? (Count(m.input[2]) * m.input[3]).value() : 0;
}

// A model whose time is not known stands with the slowest.
double seconds_per_sample(const ListedModel& m) {
  return m.latency ? 1 / m.latency->samples_per_s : std::numeric_limits<double>::infinity();
}

}  // namespace

ListedModel listed(const Graph& graph, std::string_view architecture) {
  ListedModel m;
  m.name = graph.model;
  m.architecture = std::string(architecture);
  m.params = parameters(graph).sum();
  m.macs = macs_by_module(graph).sum();
  m.num_tokens = graph.num_tokens;
  if (!graph.inputs.empty()) m.input = graph.nodes[graph.inputs.front()].shape;
  return m;
}

void sort_models(std::vector<ListedModel>& models, ListOrder order, bool reverse) {
  const auto less = [&](const ListedModel& a, const ListedModel& b) {
    switch (order) {
      case ListOrder::name:
        return a.name < b.name;
      case ListOrder::params:
        return a.params < b.params;
      case ListOrder::macs:
        return a.macs < b.macs;
      case ListOrder::tokens:
        return a.num_tokens < b.num_tokens;
      case ListOrder::img_size:
        return pixels(a) < pixels(b);
      case ListOrder::latency:
        return seconds_per_sample(a) < seconds_per_sample(b);
    }
    return false;
  };
  std::stable_sort(models.begin(), models.end(),
                   [&](const auto& a, const auto& b) { return reverse ? less(b, a) : less(a, b); });
}

namespace {

using ModelColumn = FigureColumn<ListedModel>;

// A figure about latency: nothing for a model whose time is not known.
template <class Value>
std::function<FigureValue(const ListedModel&)> of_latency(Value ListedModel::Latency::*member,
                                                          double unit = 1) {
  return [=](const ListedModel& m) -> FigureValue {
    if (!m.latency) return {};
    const auto value = (*m.latency).*member;
    if constexpr (std::is_same_v<Value, double>)
      return value * unit;
    else
      return Count(value);
  };
}

FigureValue range(const ListedModel& m) {
  if (!m.latency) return {};
  return fmt::format("{:.0f} - {:.0f}", m.latency->low, m.latency->high);
}

std::string yes_or_no(const FigureValue& value) {
  const auto* fits = std::get_if<bool>(&value);
  return fits == nullptr ? "-" : *fits ? "yes" : "no";
}

FigureValue ms_per_sample(const ListedModel& m) {
  if (!m.latency) return {};
  return 1e3 / m.latency->samples_per_s;
}

FigureValue fits(const ListedModel& m) {
  if (!m.latency || !m.latency->fits) return {};
  return *m.latency->fits;
}

FigureValue known_text(std::string text) {
  if (text.empty()) return {};
  return text;
}

// Every figure of the list, in the order of its columns.
std::vector<ModelColumn> model_columns(bool on_device) {
  using L = ListedModel::Latency;
  std::vector<ModelColumn> all{
      {{"model", "model", "model", plain, plain, false}, [](const auto& m) { return m.name; }},
      {{"architecture", "architecture", "architecture", plain, plain, false},
       [](const auto& m) { return m.architecture; }},
      {{"params", "params", "Mparams", decimals(2, 1e6)}, [](const auto& m) { return m.params; }},
      {{"macs", "macs", "GMACs", decimals(2, 1e9)}, [](const auto& m) { return m.macs; }},
      {{"num_tokens", "num_tokens", "tokens"}, [](const auto& m) { return Count(m.num_tokens); }},
      {{"img_size", "", "image"}, [](const auto& m) { return known_text(img_size(m)); }},
      {{"", "input_shape", ""},
       [](const auto& m) { return std::vector<std::uint64_t>(m.input.begin(), m.input.end()); }}};
  if (!on_device) return all;
  const std::vector<ModelColumn> device{
      {{"batch", "latency/batch", ""}, of_latency(&L::batch)},
      {{"samples_per_s", "latency/samples_per_s", "samples/s", decimals(1), decimals(3)},
       of_latency(&L::samples_per_s)},
      {{"low", "latency/range/0", "", plain, decimals(3)}, of_latency(&L::low)},
      {{"high", "latency/range/1", "", plain, decimals(3)}, of_latency(&L::high)},
      {{"", "", "range (80 %)"}, range},
      {{"step_ms", "latency/step_ms", "", plain, decimals(4)}, of_latency(&L::seconds, 1e3)},
      {{"", "", "ms/sample", decimals(3)}, ms_per_sample},
      {{"fits", "fits", "fits", yes_or_no}, fits}};
  all.insert(all.end(), device.begin(), device.end());
  return all;
}

Figures figures_of(const std::vector<ListedModel>& models, bool on_device) {
  return figures_of(model_columns(on_device), models);
}

}  // namespace

Table list_table(const std::vector<ListedModel>& models, bool on_device) {
  return table_of(figures_of(models, on_device));
}

Table list_numbers(const std::vector<ListedModel>& models, bool on_device) {
  return numbers_of(figures_of(models, on_device));
}

nlohmann::ordered_json list_json(const std::vector<ListedModel>& models, bool on_device) {
  return {{"schema_version", 1}, {"models", json_of(figures_of(models, on_device))}};
}

}  // namespace vitals
