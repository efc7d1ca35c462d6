#include "report/model_list.h"

#include "cost/rollup.h"

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

// As many cells as a list has about latency, of a model that has none.
void add_unknown(std::vector<std::string>& row, std::size_t cells, std::string_view sign) {
  row.insert(row.end(), cells, std::string(sign));
}

std::string in_units(Count count, double unit) {
  return fmt::format("{:.2f}", count.as_double() / unit);
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

Table list_table(const std::vector<ListedModel>& models, bool on_device) {
  Table table{{{"model"},
               {"architecture"},
               {"Mparams", true},
               {"GMACs", true},
               {"tokens", true},
               {"image", true}},
              {},
              {}};
  for (const auto& m : models)
    table.rows.push_back({m.name, m.architecture, in_units(m.params, 1e6), in_units(m.macs, 1e9),
                          fmt::format("{}", m.num_tokens), takes_images(m) ? img_size(m) : "-"});
  if (!on_device) return table;
  table.columns.insert(table.columns.end(),
                       {{"samples/s", true}, {"range (80 %)", true}, {"ms/sample", true}});
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (!models[i].latency) {
      add_unknown(table.rows[i], 3, "-");
      continue;
    }
    const auto& l = *models[i].latency;
    table.rows[i].insert(table.rows[i].end(), {fmt::format("{:.1f}", l.samples_per_s),
                                               fmt::format("{:.0f} - {:.0f}", l.low, l.high),
                                               fmt::format("{:.3f}", 1e3 / l.samples_per_s)});
  }
  return table;
}

Table list_numbers(const std::vector<ListedModel>& models, bool on_device) {
  Table table{
      {{"model"}, {"architecture"}, {"params"}, {"macs"}, {"num_tokens"}, {"img_size"}}, {}, {}};
  for (const auto& m : models)
    table.rows.push_back({m.name, m.architecture, fmt::format("{}", m.params),
                          fmt::format("{}", m.macs), fmt::format("{}", m.num_tokens), img_size(m)});
  if (!on_device) return table;
  table.columns.insert(table.columns.end(),
                       {{"batch"}, {"samples_per_s"}, {"low"}, {"high"}, {"step_ms"}});
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (!models[i].latency) {
      add_unknown(table.rows[i], 5, "");
      continue;
    }
    const auto& l = *models[i].latency;
    table.rows[i].insert(table.rows[i].end(),
                         {fmt::format("{}", l.batch), fmt::format("{:.3f}", l.samples_per_s),
                          fmt::format("{:.3f}", l.low), fmt::format("{:.3f}", l.high),
                          fmt::format("{:.4f}", 1e3 * l.seconds)});
  }
  return table;
}

nlohmann::ordered_json list_json(const std::vector<ListedModel>& models, bool on_device) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& m : models) {
    nlohmann::ordered_json row = {{"model", m.name},
                                  {"architecture", m.architecture},
                                  {"params", m.params.value()},
                                  {"macs", m.macs.value()},
                                  {"num_tokens", m.num_tokens},
                                  {"input_shape", nlohmann::ordered_json::array()}};
    for (auto d : m.input) row["input_shape"].push_back(d);
    if (on_device) row["latency"] = nullptr;
    if (m.latency)
      row["latency"] = {{"batch", m.latency->batch},
                        {"samples_per_s", m.latency->samples_per_s},
                        {"range", {m.latency->low, m.latency->high}},
                        {"step_ms", 1e3 * m.latency->seconds}};
    rows.push_back(std::move(row));
  }
  return {{"schema_version", 1}, {"models", std::move(rows)}};
}

}  // namespace vitals
