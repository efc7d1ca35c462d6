// Multiply-accumulates of matrix products and convolutions: the count that every other convention
// is explained from. Attention's two products are included; biases, norms and elementwise ops are
// not.
#pragma once

#include "cost/formula.h"
#include "graph/graph.h"

namespace vitals {

// Ops that are neither a matrix product nor a convolution, nor made of them: they have no MACs,
// forward or backward.
template <class O>
concept WithoutProducts =
    OneOf<O, op::Input, op::Parameter, op::Constant, op::Binary, op::Scale, op::Activation,
          op::Softmax, op::TopK, op::MaskedFill, op::LayerNorm, op::RmsNorm, op::GlobalResponseNorm,
          op::Dropout, op::DropPath, op::Concat, op::Reshape, op::Expand, op::Permute, op::Slice,
          op::Copy, op::Roll, op::Reduce, op::Embedding, op::Gather, op::Rope>;

// MACs of one node. linear: rows x in x out; conv: positions x out x in/groups x kernel; matmul:
// elements of a x n, so that an a which broadcasting repeats counts once, as in fvcore; fused
// attention: its two products, one term each. Empty for everything else.
[[nodiscard]] Formula macs_formula(const Graph& graph, const Node& node);

[[nodiscard]] inline Count macs(const Graph& graph, const Node& node) {
  return macs_formula(graph, node).value();
}

}  // namespace vitals
