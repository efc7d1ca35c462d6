// The shape rule of every op: what comes out, in which memory layout, and whether it is only a view
// of the input. One function, called by the builder for every node. Layouts follow PyTorch, since
// they decide what is a view and what is a copy.
#pragma once

#include "graph/graph.h"

#include <span>

namespace vitals {

struct Output {
  Shape shape;
  Strides strides;
  DType dtype = DType::f32;
  bool view = false;  // of the first input
};

// Throws Error "[matmul] ..." when the inputs do not fit the op.
[[nodiscard]] Output infer(const Op& op, std::span<const Node* const> inputs);

}  // namespace vitals
