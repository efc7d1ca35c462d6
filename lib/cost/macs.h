// Multiply-accumulates of matrix products and convolutions: the count that every other convention
// is explained from. Attention's two products are included; biases, norms and elementwise ops are
// not.
#pragma once

#include "cost/formula.h"
#include "graph/graph.h"

namespace vitals {

// MACs of one node. linear: rows x in x out; conv: positions x out x in/groups x kernel; matmul:
// elements of a x n, so that an a which broadcasting repeats counts once, as in fvcore; fused
// attention: its two products, one term each. Empty for everything else.
[[nodiscard]] Formula macs_formula(const Graph& graph, const Node& node);

[[nodiscard]] inline Count macs(const Graph& graph, const Node& node) {
  return macs_formula(graph, node).value();
}

}  // namespace vitals
