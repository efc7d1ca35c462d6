// The ops of a model by kind: how many, and what they take together. Ops that vitals has no rules
// for are told apart: what they do is in no total.
#pragma once

#include "graph/graph.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

struct OpTotals {
  std::string_view name;  // points into the graph, or to a table
  std::uint64_t ops = 0;
  Count macs;
  Count operations;
  Count bytes;
  std::uint64_t unknown = 0;  // of them, ops whose work is not known
};

// The costliest first. Without `all`, kinds that neither compute nor move anything are left out.
[[nodiscard]] std::vector<OpTotals> op_totals(const Graph& graph, bool all);

// How many nodes of each operator are not known (op::Opaque without `known`).
[[nodiscard]] std::map<std::string, std::uint64_t> unknown_ops(const Graph& graph);

// The sentence below every total of a model with unknown operators; empty where there are none.
[[nodiscard]] std::string lower_bound_note(const Graph& graph);

}  // namespace vitals
