#include "report/op_list.h"

#include "cost/op_totals.h"
#include "report/figures.h"
#include "report/text/units.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

struct ListedOp {
  OpTotals totals;
  double macs_share = 0;
  double bytes_share = 0;
  std::uint64_t lifted = 0;  // nodes of the file that became these ops
};

double share_of(Count part, Count whole) {
  return whole == Count(0) ? 0.0 : part.as_double() / whole.as_double();
}

std::vector<ListedOp> listed_ops(const Graph& graph) {
  Count macs;
  Count bytes;
  const auto kinds = op_totals(graph, true);
  for (const auto& kind : kinds) {
    macs += kind.macs;
    bytes += kind.bytes;
  }
  std::vector<ListedOp> ops;
  for (const auto& kind : kinds) {
    ListedOp op{kind, share_of(kind.macs, macs), share_of(kind.bytes, bytes)};
    for (const auto& lifted : graph.lifted)
      if (lifted.op == kind.name) op.lifted += lifted.nodes;
    ops.push_back(op);
  }
  return ops;
}

std::string as_percent(const FigureValue& value) {
  const double share = std::get<double>(value);
  return share == 0 ? "-" : percent(share);
}
std::string as_bytes(const FigureValue& value) {
  const auto n = std::get<Count>(value);
  return or_dash(n, binary_bytes(n));
}
std::string count_or_dash(const FigureValue& value) {
  const auto n = std::get<Count>(value);
  return or_dash(n, grouped(n));
}

Figures figures_of(const Graph& graph) {
  using OpFigure = FigureColumn<ListedOp>;
  std::vector<OpFigure> columns{
      {{"op", "op", "op", plain, plain, false},
       [](const ListedOp& o) { return std::string(o.totals.name); }},
      {{"ops", "ops", "ops"}, [](const ListedOp& o) { return Count(o.totals.ops); }},
      {{"macs", "macs", "MACs", count_or_dash}, [](const ListedOp& o) { return o.totals.macs; }},
      {{"macs_share", "macs_share", "of MACs", as_percent},
       [](const ListedOp& o) { return o.macs_share; }},
      {{"operations", "operations", ""}, [](const ListedOp& o) { return o.totals.operations; }},
      {{"bytes", "bytes", "bytes", as_bytes}, [](const ListedOp& o) { return o.totals.bytes; }},
      {{"bytes_share", "bytes_share", "of bytes", as_percent},
       [](const ListedOp& o) { return o.bytes_share; }}};
  const std::vector<OpFigure> imported{
      {{"lifted_nodes", "lifted_nodes", "lifted from nodes", count_or_dash},
       [](const ListedOp& o) { return Count(o.lifted); }},
      {{"unknown", "unknown", "unknown", count_or_dash},
       [](const ListedOp& o) { return Count(o.totals.unknown); }}};
  if (graph.imported) columns.insert(columns.end(), imported.begin(), imported.end());
  return figures_of(columns, listed_ops(graph));
}

}  // namespace

Table op_list(const Graph& graph) {
  auto table = table_of(figures_of(graph));
  for (const auto& lifted : graph.lifted)
    table.notes.push_back(fmt::format("{}: {} nodes of the file are {} of the op {}.",
                                      lifted.pattern, lifted.nodes, lifted.times, lifted.op));
  add_lower_bound_note(table, graph);
  return table;
}

Table op_list_numbers(const Graph& graph) { return numbers_of(figures_of(graph)); }

nlohmann::ordered_json op_list_json(const Graph& graph) {
  nlohmann::ordered_json answer = {{"schema_version", 1}, {"model", graph.model}};
  answer["ops"] = json_of(figures_of(graph));
  auto lifted = nlohmann::ordered_json::array();
  for (const auto& l : graph.lifted)
    lifted.push_back(
        {{"pattern", l.pattern}, {"op", l.op}, {"times", l.times}, {"nodes", l.nodes}});
  answer["lifted"] = std::move(lifted);
  add_unknown_ops(answer, answer, graph);
  return answer;
}

void add_lower_bound_note(Table& table, const Graph& graph) {
  if (auto note = lower_bound_note(graph); !note.empty()) table.notes.push_back(std::move(note));
}

void add_unknown_ops(nlohmann::ordered_json& answer, nlohmann::ordered_json& totals,
                     const Graph& graph) {
  const auto unknown = unknown_ops(graph);
  if (unknown.empty() && !graph.imported) return;
  if (!unknown.empty()) totals["lower_bound"] = true;
  auto& json = answer["unknown_ops"] = nlohmann::ordered_json::object();
  for (const auto& [type, nodes] : unknown) json[type] = nodes;
}

}  // namespace vitals
