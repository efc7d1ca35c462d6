// Multiply-accumulates of matrix products and convolutions: the count that every other convention
// is explained from. Attention's two products are included; biases, norms and elementwise ops are
// not.
#pragma once

#include "graph/graph.h"

namespace vitals {

// MACs of one node. linear: rows*in*out; conv: positions*out*in/groups*kernel; matmul: numel(a)*n;
// fused attention: those of its two products. Zero for everything else.
[[nodiscard]] Count macs(const Graph& graph, const Node& node);

}  // namespace vitals
