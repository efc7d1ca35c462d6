// The shape rules by kind of op, for infer.cpp alone: infer_elementwise.cpp (one result an element,
// and norms), infer_products.cpp, infer_windows.cpp (convolutions, pools), infer_moves.cpp (views
// and copies), infer_reductions.cpp.
#pragma once

#include "graph/infer.h"

namespace vitals::shape_rules {

using Inputs = std::span<const Node* const>;

[[nodiscard]] inline Output dense(const Shape& shape, DType dtype) {
  return {shape, contiguous_strides(shape), dtype, false};
}
// Of the input's shape and layout.
[[nodiscard]] inline Output like(const Node& x) {
  return {x.shape, elementwise_strides(x.shape, x.strides), x.dtype, false};
}

[[nodiscard]] Output infer_op(const op::Input& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Parameter& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Constant& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Opaque& o, Inputs in);
[[nodiscard]] Output infer_op(const op::SideOutput& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Binary& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Scale& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Unary& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Where& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Cast& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Softmax& o, Inputs in);
[[nodiscard]] Output infer_op(const op::MaskedFill& o, Inputs in);
[[nodiscard]] Output infer_op(const op::LayerNorm& o, Inputs in);
[[nodiscard]] Output infer_op(const op::RmsNorm& o, Inputs in);
[[nodiscard]] Output infer_op(const op::GlobalResponseNorm& o, Inputs in);
[[nodiscard]] Output infer_op(const op::BatchNorm& o, Inputs in);
[[nodiscard]] Output infer_op(const op::GroupNorm& o, Inputs in);
[[nodiscard]] Output infer_op(const op::LocalResponseNorm& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Dropout& o, Inputs in);
[[nodiscard]] Output infer_op(const op::DropPath& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Rope& o, Inputs in);

[[nodiscard]] Output infer_op(const op::Linear& o, Inputs in);
[[nodiscard]] Output infer_op(const op::ExpertLinear& o, Inputs in);
[[nodiscard]] Output infer_op(const op::MatMul& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Sdpa& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Recurrent& o, Inputs in);
[[nodiscard]] Output infer_op(const op::LinearRecurrence& o, Inputs in);

[[nodiscard]] Output infer_op(const op::Conv& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Pool& o, Inputs in);
[[nodiscard]] Output infer_op(const op::AdaptivePool& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Resize& o, Inputs in);

[[nodiscard]] Output infer_op(const op::Concat& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Reshape& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Expand& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Permute& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Slice& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Triangle& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Flip& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Tile& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Pad& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Take& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Scatter& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Copy& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Roll& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Embedding& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Gather& o, Inputs in);

[[nodiscard]] Output infer_op(const op::TopK& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Reduce& o, Inputs in);
[[nodiscard]] Output infer_op(const op::ArgReduce& o, Inputs in);
[[nodiscard]] Output infer_op(const op::Cumulative& o, Inputs in);

}  // namespace vitals::shape_rules
