#include "report/compare.h"

#include "conventions/conventions.h"
#include "cost/module_costs.h"
#include "cost/rollup.h"
#include "report/text/units.h"
#include "rules/model_sizes.h"

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

std::string text_of(Count value, Comparison::Kind kind) {
  switch (kind) {
    case Comparison::Kind::count:
      return si(value);
    case Comparison::Kind::bytes:
      return binary_bytes(value);
    case Comparison::Kind::size:
      break;
  }
  return grouped(value);
}

// "86.6 M", and after it, for the models after the first, the ratio to that.
std::vector<std::string> cells(const RowValues& values, Comparison::Kind kind) {
  std::vector<std::string> row;
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto text = values[i] ? text_of(*values[i], kind) : "-";
    if (i > 0)
      text += fmt::format(" {:>5}", values[i] && values[0] ? ratio(*values[i], *values[0]) : "");
    row.push_back(std::move(text));
  }
  return row;
}

std::vector<Column> model_columns(const Comparison& c) {
  std::vector<Column> columns;
  for (std::size_t i = 0; i < c.models.size(); ++i)
    columns.push_back({c.models[i] + (i > 0 ? "      " : ""), true});
  return columns;
}

void append(std::vector<std::string>& row, std::vector<std::string> more) {
  std::move(more.begin(), more.end(), std::back_inserter(row));
}

}  // namespace

namespace {

using Kind = Comparison::Kind;
using SizeOf = std::function<std::uint64_t(const ModelSizes&)>;

std::uint64_t patch_side(const ModelSizes& sizes, std::size_t side) {
  return sizes.patch.empty() ? 0 : sizes.patch[side];
}

// The sizes that papers name models by. What no model has is left out.
void add_sizes(Comparison& c, const std::vector<Graph>& graphs) {
  std::vector<ModelSizes> sizes;
  for (const auto& graph : graphs) sizes.push_back(model_sizes(graph));
  const auto add = [&](const char* name, const char* title, const SizeOf& value) {
    Comparison::Quantity q{name, title, Kind::size};
    for (const auto& model : sizes)
      q.values.push_back(value(model) != 0 ? std::optional(Count(value(model))) : std::nullopt);
    const bool any = std::any_of(q.values.begin(), q.values.end(),
                                 [](const auto& known) { return known.has_value(); });
    if (any) c.quantities.push_back(std::move(q));
  };
  const auto differ = [&](const SizeOf& one, const SizeOf& other) {
    return std::any_of(sizes.begin(), sizes.end(),
                       [&](const ModelSizes& z) { return one(z) != other(z); });
  };
  add("layers", "layers", [](const ModelSizes& z) { return z.layers; });
  add("hidden_size", "hidden size", [](const ModelSizes& z) { return z.hidden; });
  add("mlp_size", "MLP size", [](const ModelSizes& z) { return z.feed_forward; });
  add("heads", "heads", [](const ModelSizes& z) { return z.heads; });
  const auto heads = [](const ModelSizes& z) { return z.heads; };
  const auto kv_heads = [](const ModelSizes& z) { return z.kv_heads; };
  if (differ(heads, kv_heads)) add("kv_heads", "heads of keys and values", kv_heads);
  add("experts", "experts", [](const ModelSizes& z) { return z.experts; });
  const auto height = [](const ModelSizes& z) { return patch_side(z, 0); };
  const auto width = [](const ModelSizes& z) { return patch_side(z, 1); };
  const bool square = !differ(height, width);
  add("patch_size", square ? "patch size" : "patch height", height);
  if (!square) add("patch_width", "patch width", width);
  add("vocab_size", "vocabulary", [](const ModelSizes& z) { return z.vocab; });
}

}  // namespace

Comparison compare(const std::vector<Graph>& graphs, std::size_t level) {
  Comparison c;
  for (const auto& graph : graphs) c.models.push_back(title_of(graph));
  add_sizes(c, graphs);
  const auto add = [&](const char* name, const char* title, Kind kind,
                       const std::function<Count(const Graph&)>& value) {
    Comparison::Quantity q{name, title, kind};
    for (const auto& graph : graphs) q.values.push_back(value(graph));
    c.quantities.push_back(std::move(q));
  };
  add("params", "parameters", Kind::count, [](const Graph& g) { return parameters(g).sum(); });
  add("macs", "MACs", Kind::count, [](const Graph& g) { return macs_by_module(g).sum(); });
  add("flops", "FLOPs", Kind::count, [](const Graph& g) { return macs_by_module(g).sum() * 2; });
  add("num_tokens", "tokens", Kind::size, [](const Graph& g) { return Count(g.num_tokens); });
  add("activations_fvcore", "activations (fvcore)", Kind::count,
      [](const Graph& g) { return total(fvcore_activations(), g).value_or(0); });
  add("bytes", "bytes moved", Kind::bytes,
      [](const Graph& g) { return module_costs(g).bytes.sum(); });
  add("weight_bytes", "fp32 weights", Kind::bytes,
      [](const Graph& g) { return parameters(g).sum() * size_of(DType::f32); });
  c.modules = shared_modules(graphs, level);
  return c;
}

void add_latency(Comparison& comparison, const std::string& device,
                 const std::vector<StepOnDevice>& steps) {
  Comparison::Quantity time{"latency_us", "µs a step on " + device, Kind::size};
  Comparison::Quantity memory{"memory_bytes", "memory on " + device, Kind::bytes};
  for (const auto& step : steps) {
    const auto& s = step.seconds;
    time.values.push_back(s ? std::optional(Count::rounded(*s * 1e6)) : std::nullopt);
    memory.values.push_back(step.memory);
    comparison.fits.push_back(step.fits);
  }
  comparison.quantities.push_back(std::move(memory));
  comparison.quantities.push_back(std::move(time));
}

Table quantities_table(const Comparison& c) {
  Table table{{{"quantity"}}, {}, {}};
  for (auto& column : model_columns(c)) table.columns.push_back(std::move(column));
  for (const auto& q : c.quantities) {
    std::vector<std::string> row{q.title};
    append(row, cells(q.values, q.kind));
    table.rows.push_back(std::move(row));
    if (q.name == "latency_us" &&
        std::find(q.values.begin(), q.values.end(), std::nullopt) != q.values.end())
      table.notes.emplace_back("Where there is no time, `vitals predict` says why.");
  }
  if (c.fits.empty()) return table;
  auto& row = table.rows.emplace_back(std::vector<std::string>{"fits"});
  for (std::size_t i = 0; i < c.fits.size(); ++i)
    row.push_back(std::string(!c.fits[i]   ? "-"
                              : *c.fits[i] ? "yes"
                                           : "no") +
                  (i > 0 ? "      " : ""));
  return table;
}

Table modules_table(const Comparison& c) {
  Table table{{{"module"}, {"type"}, {"quantity"}}, {}, {}, 3};
  for (auto& column : model_columns(c)) table.columns.push_back(std::move(column));
  const auto add = [&](const Comparison::SharedModule& m, const char* quantity,
                       const std::vector<Count>& values) {
    if (std::all_of(values.begin(), values.end(), [](Count n) { return n == Count(0); })) return;
    std::vector<std::string> row{m.path, m.type, quantity};
    append(row, cells(known(values), Kind::count));
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
