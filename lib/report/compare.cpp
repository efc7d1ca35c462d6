#include "report/compare.h"

#include "conventions/conventions.h"
#include "cost/module_costs.h"
#include "cost/rollup.h"
#include "report/text/units.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <unordered_map>

namespace vitals {
namespace {

using nlohmann::ordered_json;

std::size_t level_of(const std::string& path) {
  if (path.empty()) return 0;
  return 1 + static_cast<std::size_t>(std::count(path.begin(), path.end(), '.'));
}

const Module* find_module(const std::unordered_map<std::string, ModuleId>& by_path,
                          const Graph& graph, const Module& wanted) {
  const auto it = by_path.find(wanted.path);
  if (it == by_path.end() || graph.modules[it->second].type != wanted.type) return nullptr;
  return &graph.modules[it->second];
}

std::vector<Comparison::SharedModule> shared_modules(const std::vector<Graph>& graphs,
                                                     std::size_t level) {
  std::vector<std::unordered_map<std::string, ModuleId>> by_path(graphs.size());
  std::vector<Rollup> params;
  std::vector<Rollup> macs;
  for (std::size_t g = 0; g < graphs.size(); ++g) {
    for (ModuleId id = 0; id < graphs[g].modules.size(); ++id)
      by_path[g].emplace(graphs[g].modules[id].path, id);
    params.push_back(parameters(graphs[g]));
    macs.push_back(macs_by_module(graphs[g]));
  }
  std::vector<Comparison::SharedModule> shared;
  for (const auto& module : graphs[0].modules) {
    if (module.path.empty() || level_of(module.path) > level) continue;
    Comparison::SharedModule row{module.path, module.type, {}, {}};
    for (std::size_t g = 0; g < graphs.size(); ++g) {
      if (find_module(by_path[g], graphs[g], module) == nullptr) break;
      const auto id = by_path[g].at(module.path);
      row.params.push_back(params[g].total[id]);
      row.macs.push_back(macs[g].total[id]);
    }
    if (row.params.size() == graphs.size()) shared.push_back(std::move(row));
  }
  return shared;
}

std::string ratio(Count value, Count first) {
  if (value == first) return "=";
  if (first == Count(0)) return "new";
  const auto x = value.as_double() / first.as_double();
  return x < 99.5 ? fmt::format("{:#.3g}x", x) : fmt::format("{:.0f}x", x);  // 1.00x, 250x
}

using RowValues = std::vector<std::optional<Count>>;

RowValues known(const std::vector<Count>& values) { return {values.begin(), values.end()}; }

// "86,567,656", and for the models after the first the ratio beside it.
std::vector<std::string> cells(const RowValues& values) {
  std::vector<std::string> row;
  for (std::size_t i = 0; i < values.size(); ++i) {
    row.push_back(values[i] ? grouped(*values[i]) : "-");
    if (i > 0) row.push_back(values[i] && values[0] ? ratio(*values[i], *values[0]) : "");
  }
  return row;
}

std::vector<Column> model_columns(const Comparison& c, const std::string& suffix = "") {
  std::vector<Column> columns;
  for (std::size_t i = 0; i < c.models.size(); ++i) {
    columns.push_back({c.models[i] + suffix, true});
    if (i > 0) columns.push_back({"", true});
  }
  return columns;
}

void append(std::vector<std::string>& row, std::vector<std::string> more) {
  std::move(more.begin(), more.end(), std::back_inserter(row));
}

}  // namespace

Comparison compare(const std::vector<Graph>& graphs, std::size_t level) {
  Comparison c;
  for (const auto& graph : graphs) c.models.push_back(graph.model);
  const auto add = [&](const char* name, const char* title,
                       const std::function<Count(const Graph&)>& value) {
    Comparison::Quantity q{name, title, {}};
    for (const auto& graph : graphs) q.values.push_back(value(graph));
    c.quantities.push_back(std::move(q));
  };
  add("params", "parameters", [](const Graph& g) { return parameters(g).sum(); });
  add("macs", "MACs", [](const Graph& g) { return macs_by_module(g).sum(); });
  add("flops", "FLOPs", [](const Graph& g) { return macs_by_module(g).sum() * 2; });
  add("num_tokens", "tokens", [](const Graph& g) { return Count(g.num_tokens); });
  add("activations_fvcore", "activations (fvcore)",
      [](const Graph& g) { return total(fvcore_activations(), g).value_or(0); });
  add("bytes", "bytes moved", [](const Graph& g) { return module_costs(g).bytes.sum(); });
  add("weight_bytes", "bytes of fp32 weights",
      [](const Graph& g) { return parameters(g).sum() * size_of(DType::f32); });
  c.modules = shared_modules(graphs, level);
  return c;
}

void add_latency(Comparison& comparison, const std::string& device,
                 const std::vector<StepOnDevice>& steps) {
  Comparison::Quantity q{"latency_us", "µs a step on " + device, {}};
  for (const auto& step : steps) {
    const auto& s = step.seconds;
    q.values.push_back(s ? std::optional(Count::rounded(*s * 1e6)) : std::nullopt);
    comparison.fits.push_back(step.fits);
  }
  comparison.quantities.push_back(std::move(q));
}

Table quantities_table(const Comparison& c) {
  Table table{{{"quantity"}}, {}, {}};
  for (auto& column : model_columns(c)) table.columns.push_back(std::move(column));
  for (const auto& q : c.quantities) {
    std::vector<std::string> row{q.title};
    append(row, cells(q.values));
    table.rows.push_back(std::move(row));
    if (std::find(q.values.begin(), q.values.end(), std::nullopt) != q.values.end())
      table.notes.emplace_back("Where there is no time, `vitals predict` says why.");
  }
  for (std::size_t i = 0; i < c.fits.size(); ++i)
    if (c.fits[i] == false)
      table.notes.push_back(fmt::format("{} does not fit into the device's memory.", c.models[i]));
  return table;
}

Table modules_table(const Comparison& c) {
  Table table{{{"module"}, {"type"}, {"quantity"}}, {}, {}, 3};
  for (auto& column : model_columns(c)) table.columns.push_back(std::move(column));
  const auto add = [&](const Comparison::SharedModule& m, const char* quantity,
                       const std::vector<Count>& values) {
    if (std::all_of(values.begin(), values.end(), [](Count n) { return n == Count(0); })) return;
    std::vector<std::string> row{m.path, m.type, quantity};
    append(row, cells(known(values)));
    table.rows.push_back(std::move(row));
  };
  for (const auto& m : c.modules) {
    add(m, "params", m.params);
    add(m, "MACs", m.macs);
  }
  return table;
}

Table flat_table(const Comparison& c) {
  Table table{{{"path"}, {"quantity"}}, {}, {}};
  for (const auto& model : c.models) table.columns.push_back({model, true});
  const auto add = [&](const std::string& path, const std::string& quantity,
                       const RowValues& values) {
    std::vector<std::string> row{path, quantity};
    for (const auto& value : values) row.push_back(value ? fmt::format("{}", *value) : "");
    table.rows.push_back(std::move(row));
  };
  for (const auto& q : c.quantities) add("", q.name, q.values);
  for (const auto& m : c.modules) {
    add(m.path, "params", known(m.params));
    add(m.path, "macs", known(m.macs));
  }
  return table;
}

ordered_json to_json(const Comparison& c) {
  ordered_json result = ordered_json::object();
  result["schema_version"] = 1;
  auto& models = result["models"] = ordered_json::array();
  for (std::size_t i = 0; i < c.models.size(); ++i) {
    ordered_json model = {{"model", c.models[i]}};
    for (const auto& q : c.quantities)
      model[q.name] = q.values[i] ? ordered_json(q.values[i]->value()) : ordered_json(nullptr);
    if (i < c.fits.size()) model["fits"] = c.fits[i] ? ordered_json(*c.fits[i]) : ordered_json();
    models.push_back(std::move(model));
  }
  auto& modules = result["modules"] = ordered_json::array();
  const auto numbers = [](const std::vector<Count>& values) {
    auto list = ordered_json::array();
    for (auto value : values) list.push_back(value.value());
    return list;
  };
  for (const auto& m : c.modules)
    modules.push_back({{"path", m.path},
                       {"type", m.type},
                       {"params", numbers(m.params)},
                       {"macs", numbers(m.macs)}});
  return result;
}

}  // namespace vitals
