#include "cost/op_totals.h"

#include "cost/arithmetic.h"
#include "cost/macs.h"
#include "cost/traffic.h"
#include "graph/op_traits.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace vitals {
namespace {

bool is_unknown(const Op& op) {
  const auto* opaque = std::get_if<op::Opaque>(&op);
  return opaque != nullptr && !opaque->known;
}

}  // namespace

std::vector<OpTotals> op_totals(const Graph& graph, bool all) {
  std::map<std::string_view, OpTotals> by_name;
  for (const auto& node : graph.nodes) {
    const auto done = operations(arithmetic(graph, node));
    const auto bytes = bytes_moved(graph, node);
    const bool idle = done == Count(0) && bytes == Count(0);
    if (idle && !(all && !is_leaf(node.op))) continue;
    auto& kind = by_name[name_of(node.op)];
    kind.name = name_of(node.op);
    ++kind.ops;
    kind.macs += macs(graph, node);
    kind.operations += done;
    kind.bytes += bytes;
    kind.unknown += is_unknown(node.op) ? 1 : 0;
  }
  std::vector<OpTotals> kinds;
  for (const auto& [name, kind] : by_name) kinds.push_back(kind);
  std::stable_sort(kinds.begin(), kinds.end(), [](const OpTotals& a, const OpTotals& b) {
    return std::tie(a.macs, a.operations, a.bytes) > std::tie(b.macs, b.operations, b.bytes);
  });
  return kinds;
}

std::map<std::string, std::uint64_t> unknown_ops(const Graph& graph) {
  std::map<std::string, std::uint64_t> unknown;
  for (const auto& node : graph.nodes)
    if (is_unknown(node.op)) ++unknown[std::get<op::Opaque>(node.op).type];
  return unknown;
}

std::string lower_bound_note(const Graph& graph) {
  const auto unknown = unknown_ops(graph);
  if (unknown.empty()) return "";
  std::vector<std::string> names;
  for (const auto& [type, nodes] : unknown)
    names.push_back(fmt::format("{} ({} {})", type, nodes, nodes == 1 ? "node" : "nodes"));
  return fmt::format(
      "Unknown operators: {}. Their work is not counted, so the totals are lower bounds.",
      fmt::join(names, ", "));
}

}  // namespace vitals
