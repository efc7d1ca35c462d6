// How profilers count that put wrappers around PyTorch's functions: DeepSpeed's flops profiler and
// calflops, which descends from it. What runs as an operator or a method that has no wrapper is not
// seen.
#pragma once

#include "cost/formula.h"
#include "graph/graph.h"

#include <functional>

namespace vitals {

// Which of the functions have a wrapper.
struct PatchedFunctions {
  bool matmul_operator = true;  // Tensor.__matmul__: a @ b
  bool fused_attention = true;  // F.scaled_dot_product_attention
  bool scaled_resize = true;    // interpolation counts what it puts out; else what it reads
};

// Calls visit(node, formula) with the FLOPs of every op that is seen: two for each
// multiply-accumulate and one for each element of the bias of a convolution; of norms 5 an element,
// 4 without weights (a BatchNorm in evaluation 2 and 1); one for each element that activations,
// pools and softmax read.
void visit_patched(const Graph& graph, const PatchedFunctions& patched,
                   const std::function<void(const Node&, const Formula&)>& visit);

}  // namespace vitals
