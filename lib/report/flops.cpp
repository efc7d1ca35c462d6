#include "report/flops.h"

#include "analysis/arithmetic.h"
#include "analysis/macs.h"
#include "analysis/module_costs.h"
#include "analysis/traffic.h"
#include "report/units.h"

#include <algorithm>
#include <map>

namespace vitals {
namespace {

std::string dash_or(Count n, std::string text) {
  return n == Count(0) ? std::string("-") : std::move(text);
}
std::string amount(Count n) { return dash_or(n, si(n.as_double())); }
std::string exact(Count n) { return dash_or(n, grouped(n)); }
std::string bytes_or_dash(Count n) { return dash_or(n, binary_bytes(n.as_double())); }
std::string intensity_text(Count flops, Count bytes) {
  return dash_or(flops, fmt::format("{:.1f}", arithmetic_intensity(flops, bytes)));
}
std::string share_text(Count part, Count whole, std::uint64_t times = 1) {
  return dash_or(part, percent(part.as_double() * static_cast<double>(times) /
                               std::max(whole.as_double(), 1.0)));
}
std::string indented(const TreeLine& line) { return std::string(2 * line.level, ' ') + line.label; }

// Sums over all ops of one kind.
struct OpKind {
  std::string_view name;
  std::uint64_t ops = 0;
  Count macs;
  Count operations;
  Count bytes;
};

std::vector<OpKind> op_kinds(const Graph& graph) {
  std::map<std::string_view, OpKind> by_name;
  for (const auto& node : graph.nodes) {
    const auto operations_of_node = operations(arithmetic(graph, node));
    const auto bytes = bytes_moved(graph, node);
    if (operations_of_node == Count(0) && bytes == Count(0)) continue;
    auto& kind = by_name[name_of(node.op)];
    kind.name = name_of(node.op);
    ++kind.ops;
    kind.macs += macs(graph, node);
    kind.operations += operations_of_node;
    kind.bytes += bytes;
  }
  std::vector<OpKind> kinds;
  for (const auto& [name, kind] : by_name) kinds.push_back(kind);
  std::stable_sort(kinds.begin(), kinds.end(), [](const OpKind& a, const OpKind& b) {
    return std::tie(a.macs, a.operations, a.bytes) > std::tie(b.macs, b.operations, b.bytes);
  });
  return kinds;
}

// The lines of the module tree without those of parameters, which do no work.
std::vector<TreeLine> work_lines(const Graph& graph, const TreeOptions& options,
                                 const OwnFigures& own) {
  auto lines = tree_lines(graph, options, own);
  std::erase_if(lines, [](const TreeLine& line) { return line.param != kNone; });
  return lines;
}

Count at(const Rollup& rollup, const TreeLine& line) {
  return (line.own_ops ? rollup.own : rollup.total)[line.module];
}

void note_folds(Table& table, const std::vector<TreeLine>& lines) {
  if (std::any_of(lines.begin(), lines.end(), [](const TreeLine& l) { return l.repeat > 1; }))
    table.notes.emplace_back(kFoldNote);
}

std::string sentence_of(const Convention& convention) {
  return fmt::format("{}: {}", convention.name, convention.sentence);
}

}  // namespace

Table flops_totals(const FlopsModel& model) {
  const auto& graph = model.graph;
  const auto costs = module_costs(graph);
  const auto macs = costs.macs.sum();
  const auto training = training_flops(model.training, model.checkpoint);
  Count all;
  for (const auto& node : graph.nodes) all += operations(arithmetic(graph, node));
  Table table{{{"quantity"}, {"about", true}, {"exactly", true}, {"what it is"}}, {}, {}};
  auto row = [&](const char* name, Count n, const char* what) {
    table.rows.push_back({name, si(n.as_double()), grouped(n), what});
  };
  row("MACs", macs, "matrix products and convolutions");
  row("FLOPs", macs * 2, "2 x MACs");
  row("training FLOPs", training.total(), "one step: the four below");
  row("  forward", training.forward, "");
  row("  gradients of activations", training.grad_input, "none for the model's input");
  row("  gradients of weights", training.grad_weight, "none for frozen parameters");
  row("  recomputed", training.recompute, "what checkpointing and fused attention run again");
  row("operations", all, "every addition, multiplication, exp, comparison, ...");
  row("activations", *total(fvcore_activations(), graph), "elements, as fvcore counts them");
  const auto bytes = costs.bytes.sum();
  table.rows.push_back({"bytes moved", binary_bytes(bytes.as_double()), grouped(bytes),
                        "every operand read once, every result written once"});
  table.rows.push_back({"FLOPs per byte",
                        fmt::format("{:.1f}", arithmetic_intensity(macs * 2, bytes)), "",
                        "arithmetic intensity of the whole"});
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
  const auto kinds = op_kinds(graph);
  OpKind all{"all", 0, {}, {}, {}};
  for (const auto& kind : kinds) {
    all.ops += kind.ops;
    all.macs += kind.macs;
    all.operations += kind.operations;
    all.bytes += kind.bytes;
  }
  auto row = [&](const OpKind& kind) {
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
  const auto lines = work_lines(graph, options, {&costs.macs.own, &costs.bytes.own});
  Table table{{{"module"},
               {"type"},
               {"MACs", true},
               kShareColumn,
               {"FLOPs", true},
               {"bytes", true},
               {"FLOPs/byte", true}},
              {},
              {}};
  for (const auto& line : lines) {
    const auto n = at(costs.macs, line);
    const auto bytes = at(costs.bytes, line);
    table.rows.push_back({indented(line), line.own_ops ? "" : graph.modules[line.module].type,
                          exact(n), share_text(n, costs.macs.sum(), line.times), amount(n * 2),
                          bytes_or_dash(bytes), intensity_text(n * 2, bytes)});
  }
  note_folds(table, lines);
  return table;
}

Table flops_tree(const Graph& graph, const Convention& convention, const TreeOptions& options) {
  const auto counts = roll_up(convention, graph);
  const auto lines = work_lines(graph, options, {&counts.own});
  const auto title = fmt::format("{} {}", convention.name, convention.unit);
  Table table{{{"module"}, {"type"}, {title, true}, kShareColumn}, {}, {}};
  for (const auto& line : lines) {
    const auto n = at(counts, line);
    table.rows.push_back({indented(line), line.own_ops ? "" : graph.modules[line.module].type,
                          exact(n), share_text(n, counts.sum(), line.times)});
  }
  note_folds(table, lines);
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
