// Rewrites a trace into a program: which ops are fused, which kernel does each, how values lie in
// memory. Layouts are the kernels' own (PyTorch's strides do not bind them); views stay views
// wherever the kernels take strides. Knows no addresses and no weights' values.
#pragma once

#include "runtime/program/program.h"

namespace vitals {

struct LowerOptions {
  Element precision = Element::kF32;  // of activations and of the weights of dense layers
  std::vector<NodeId> keep;           // values that must exist at the end, beside the outputs
};

// The trace must be an evaluation. Throws Error that names the module and the op for what no kernel
// runs (dropout, of a trace for training).
[[nodiscard]] Program lower(const Graph& graph, const LowerOptions& options);

}  // namespace vitals
