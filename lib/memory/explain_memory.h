// Where the bytes of a module come from under a recipe: weights, gradients, optimizer states, and
// every tensor that autograd keeps. Knows the estimate, no output format.
#pragma once

#include "cost/explain.h"
#include "memory/estimate.h"

#include <string>

namespace vitals {

// `estimate` is that of `options` on one device. `path` names a module or a parameter; "" or "." is
// the whole model. Throws Error with the nearest known paths for an unknown one.
[[nodiscard]] Explanation explain_memory(const Graph& graph, const MemoryOptions& options,
                                         const MemoryEstimate& estimate, const std::string& path);

}  // namespace vitals
