#include "report/flops.h"

#include "cost/arithmetic.h"
#include "cost/macs.h"
#include "cost/module_costs.h"
#include "cost/op_totals.h"
#include "cost/traffic.h"
#include "report/module_table.h"
#include "report/op_list.h"
#include "report/text/units.h"

#include <algorithm>

namespace vitals {
namespace {

std::string amount(Count n) { return or_dash(n, si(n)); }
std::string exact(Count n) { return or_dash(n, grouped(n)); }
std::string bytes_or_dash(Count n) { return or_dash(n, binary_bytes(n)); }
std::string intensity_text(Count flops, Count bytes) {
  return or_dash(flops, fmt::format("{:.1f}", arithmetic_intensity(flops, bytes)));
}

// "linear 95.3 %, matmul 4.1 %, conv 0.7 %"
std::string largest_kinds(const Graph& graph) {
  constexpr std::size_t kShown = 3;
  const auto kinds = op_totals(graph, false);
  Count all;
  for (const auto& kind : kinds) all += kind.macs;
  std::vector<std::string> shown;
  for (const auto& kind : kinds)
    if (shown.size() < kShown && kind.macs > Count(0))
      shown.push_back(fmt::format("{} {}", kind.name, share_text(kind.macs, all)));
  return shown.empty() ? "-" : fmt::format("{}", fmt::join(shown, ", "));
}

std::string sentence_of(const Convention& convention) {
  return fmt::format("{}: {}", convention.name, convention.sentence);
}

}  // namespace

Table flops_totals(const FlopsModel& model, bool parts) {
  const auto& graph = model.graph;
  const auto costs = module_costs(graph);
  const auto macs = costs.macs.sum();
  const auto training = training_flops(model.training, model.checkpoint);
  Table table{{{"quantity"}, {"about", true}, {"exactly", true}, {"what it is"}}, {}, {}};
  auto row = [&](const char* name, Count n, const char* what) {
    table.rows.push_back({name, si(n), grouped(n), what});
  };
  row("MACs", macs, "products and convolutions");
  row("FLOPs", macs * 2, "2 x MACs");
  row("training FLOPs", training.total(), parts ? "one step: the four below" : "one step");
  if (parts) {
    row("  forward", training.forward, "");
    row("  gradients of activations", training.grad_input, "none for the model's input");
    row("  gradients of weights", training.grad_weight, "none for frozen parameters");
    row("  recomputed", training.recompute, "what checkpointing and fused attention run again");
    Count all;
    for (const auto& node : graph.nodes) all += operations(arithmetic(graph, node));
    row("operations", all, "every addition, multiplication, exp, comparison, ...");
  }
  row("activations", *total(fvcore_activations(), graph), "elements, as fvcore counts");
  const auto bytes = costs.bytes.sum();
  table.rows.push_back(
      {"bytes moved", binary_bytes(bytes), grouped(bytes), "operands and results, once each"});
  table.rows.push_back({"FLOPs per byte",
                        fmt::format("{:.1f}", arithmetic_intensity(macs * 2, bytes)), "",
                        "arithmetic intensity"});
  if (!parts) table.notes.push_back(fmt::format("MACs by kind of op: {}.", largest_kinds(graph)));
  add_lower_bound_note(table, graph);
  return table;
}

Table flops_by_op(const Graph& graph) {
  Table table{{{"op"},
               {"ops", true},
               {"MACs", true},
               kShareColumn,
               {"operations", true},
               {"bytes", true},
               {"FLOPs/byte", true}},
              {},
              {}};
  const auto kinds = op_totals(graph, false);
  OpTotals all;
  all.name = "all";
  for (const auto& kind : kinds) {
    all.ops += kind.ops;
    all.macs += kind.macs;
    all.operations += kind.operations;
    all.bytes += kind.bytes;
  }
  auto row = [&](const OpTotals& kind) {
    table.rows.push_back({std::string(kind.name), std::to_string(kind.ops), exact(kind.macs),
                          share_text(kind.macs, all.macs), amount(kind.operations),
                          bytes_or_dash(kind.bytes), intensity_text(kind.macs * 2, kind.bytes)});
  };
  for (const auto& kind : kinds) row(kind);
  row(all);
  return table;
}

Table flops_tree(const Graph& graph, const TreeOptions& options) {
  const auto costs = module_costs(graph);
  const auto macs = of_ops(costs.macs);
  const auto bytes = of_ops(costs.bytes);
  auto lines = work_lines(graph, options, {&costs.macs.own, &costs.bytes.own});
  std::vector<ModuleColumn> columns;
  if (options.working) {
    std::erase_if(lines, [&](const TreeLine& line) { return macs(line) == Count(0); });
    columns = {figure_column("MACs", macs, si), share_column(macs, costs.macs.sum())};
  } else {
    columns = {figure_column("MACs", macs, grouped),
               share_column(macs, costs.macs.sum()),
               {{"FLOPs", true}, [&](const TreeLine& line) { return amount(macs(line) * 2); }}};
  }
  columns.push_back(figure_column("bytes", bytes, binary_bytes));
  columns.push_back({{"FLOPs/byte", true}, [&](const TreeLine& line) {
                       return intensity_text(macs(line) * 2, bytes(line));
                     }});
  return module_table(graph, lines, columns);
}

Table flops_tree(const Graph& graph, const Convention& convention, const TreeOptions& options) {
  const auto counts = roll_up(convention, graph);
  auto table = module_table(graph, work_lines(graph, options, {&counts.own}),
                            {figure_column(fmt::format("{} {}", convention.name, convention.unit),
                                           of_ops(counts), grouped),
                             share_column(of_ops(counts), counts.sum())});
  table.notes.push_back(sentence_of(convention));
  return table;
}

Table flops_by_convention(const Graph& graph) {
  Table table{
      {{"convention"}, {"count", true}, {"unit"}, {"about", true}, {"x MACs", true}}, {}, {}};
  const auto all = total(*find_convention("macs"), graph)->as_double();
  for (const auto& convention : conventions()) {
    const auto n = total(convention, graph);
    table.rows.push_back({std::string(convention.name), n ? grouped(*n) : "does not apply",
                          std::string(convention.unit), n ? si(n->as_double()) : "",
                          n && all > 0 ? fmt::format("{:.4f}", n->as_double() / all) : ""});
    table.notes.push_back(sentence_of(convention));
  }
  return table;
}

Table convention_numbers(const Graph& graph) {
  Table table{{{"convention"}, {"count", true}, {"unit"}, {"x_macs", true}}, {}, {}};
  const auto all = total(*find_convention("macs"), graph)->as_double();
  for (const auto& convention : conventions()) {
    const auto n = total(convention, graph);
    table.rows.push_back({std::string(convention.name), n ? fmt::format("{}", *n) : "",
                          std::string(convention.unit),
                          n && all > 0 ? fmt::format("{:.6g}", n->as_double() / all) : ""});
  }
  return table;
}

Table flops_modules(const FlopsModel& model) {
  const auto& graph = model.graph;
  const auto costs = module_costs(graph);
  const auto training = training_by_module(model.training, model.checkpoint, graph);
  Table table{{{"path"},
               {"type"},
               {"macs", true},
               {"flops", true},
               {"bytes", true},
               {"training_flops", true},
               {"total_macs", true},
               {"total_flops", true},
               {"total_bytes", true},
               {"total_training_flops", true}},
              {},
              {}};
  for (ModuleId id = 0; id < graph.modules.size(); ++id) {
    std::vector<std::string> row = {graph.modules[id].path, graph.modules[id].type};
    for (auto part : {&Rollup::own, &Rollup::total})
      for (auto n : {(costs.macs.*part)[id], (costs.macs.*part)[id] * 2, (costs.bytes.*part)[id],
                     (training.*part)[id]})
        row.push_back(fmt::format("{}", n));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table flops_modules(const Graph& graph, const Convention& convention) {
  const auto counts = roll_up(convention, graph);
  const std::string name(convention.name);
  Table table{{{"path"}, {"type"}, {name, true}, {"total_" + name, true}}, {}, {}};
  for (ModuleId id = 0; id < graph.modules.size(); ++id)
    table.rows.push_back({graph.modules[id].path, graph.modules[id].type,
                          fmt::format("{}", counts.own[id]), fmt::format("{}", counts.total[id])});
  return table;
}

}  // namespace vitals
