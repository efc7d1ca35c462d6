#include "graph/infer.h"

#include <cassert>

namespace vitals {
namespace {

using Inputs = std::span<const Node* const>;

Output dense(const Shape& shape, DType dtype) {
  return {shape, contiguous_strides(shape), dtype, false};
}

Output like(const Node& x) {
  return {x.shape, elementwise_strides(x.shape, x.strides), x.dtype, false};
}

Output infer_op(const op::Input& o, Inputs) { return dense(o.shape, o.dtype); }
Output infer_op(const op::Parameter& o, Inputs) { return dense(o.shape, DType::f32); }
Output infer_op(const op::Constant& o, Inputs) { return dense(o.shape, o.dtype); }

Output infer_op(const op::Linear& o, Inputs in) {
  Shape shape = in[0]->shape;
  if (shape.empty() || shape.at(-1) != o.in)
    fail("[linear] input {} does not end in {} features", to_string(shape), o.in);
  shape[shape.rank() - 1] = o.out;
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::ExpertLinear& o, Inputs in) {
  const auto& x = in[0]->shape;
  const auto& choice = in[1]->shape;
  const bool rows_fit = choice.rank() == 2 && choice[1] == o.active && !x.empty() &&
                        x[0] == choice[0] && x.at(-1) == o.in;
  if (!rows_fit || (x.rank() != 2 && !(x.rank() == 3 && x[1] == o.active)))
    fail("[expert_linear] input {} and choice {} do not fit {} of {} experts of {} features",
         to_string(x), to_string(choice), o.active, o.experts, o.in);
  return dense({choice[0], o.active, o.out}, in[0]->dtype);
}

Output infer_op(const op::TopK& o, Inputs in) {
  Shape shape = in[0]->shape;
  if (shape.empty() || shape.at(-1) < o.k)
    fail("[topk] {} of {} cannot be chosen", o.k, to_string(shape));
  shape[shape.rank() - 1] = o.k;
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::MaskedFill&, Inputs in) {
  const auto shape = broadcast(in[0]->shape, in[1]->shape);
  if (!shape || !(*shape == in[0]->shape))
    fail("[masked_fill] the mask {} does not fit {}", to_string(in[1]->shape),
         to_string(in[0]->shape));
  return like(*in[0]);
}

std::uint64_t conv_extent(std::uint64_t size, std::uint32_t kernel, std::uint32_t stride,
                          std::uint32_t padding) {
  const auto padded = size + 2 * std::uint64_t{padding};
  if (padded < kernel) fail("[conv] the kernel of {} does not fit into {}", kernel, padded);
  return (padded - kernel) / stride + 1;
}

Output infer_op(const op::Conv& o, Inputs in) {
  const auto& x = in[0]->shape;
  if (x.rank() != 2U + o.spatial_dims || x[1] != o.in)
    fail("[conv] input {} is not [batch, {}, ...]", to_string(x), o.in);
  Shape shape{x[0], o.out};
  for (std::size_t i = 0; i < o.spatial_dims; ++i) {
    const auto k = i + 2 - o.spatial_dims;
    shape.push_back(conv_extent(x[2 + i], o.kernel[k], o.stride[k], o.padding[k]));
  }
  auto out = dense(shape, in[0]->dtype);
  if (is_channels_last(x, in[0]->strides)) out.strides = channels_last_strides(shape);
  return out;
}

Shape batch_dims(const Shape& shape) {
  Shape batch;
  for (std::size_t i = 0; i + 2 < shape.rank(); ++i) batch.push_back(shape[i]);
  return batch;
}

Output infer_op(const op::MatMul&, Inputs in) {
  const auto& a = in[0]->shape;
  const auto& b = in[1]->shape;
  if (a.rank() < 2 || b.rank() < 2 || a.at(-1) != b.at(-2))
    fail("[matmul] shapes {} and {} do not fit", to_string(a), to_string(b));
  auto shape = broadcast(batch_dims(a), batch_dims(b));
  if (!shape) fail("[matmul] shapes {} and {} do not broadcast", to_string(a), to_string(b));
  shape->push_back(a.at(-2));
  shape->push_back(b.at(-1));
  return dense(*shape, in[0]->dtype);
}

Output infer_op(const op::Sdpa&, Inputs in) {
  const auto& q = in[0]->shape;
  const auto& k = in[1]->shape;
  const auto& v = in[2]->shape;
  if (q.at(-1) != k.at(-1) || k.at(-2) != v.at(-2))
    fail("[scaled_dot_product_attention] shapes {}, {} and {} do not fit", to_string(q),
         to_string(k), to_string(v));
  Shape shape = q;
  shape[shape.rank() - 1] = v.at(-1);
  // The fused kernels write [batch, tokens, heads, dim] and hand out the transposed view.
  Output out = dense(shape, in[0]->dtype);
  if (shape.rank() == 4) {
    const auto t = contiguous_strides({shape[0], shape[2], shape[1], shape[3]});
    out.strides = Strides{t[0], t[2], t[1], t[3]};
  }
  return out;
}

Output infer_op(const op::Binary& o, Inputs in) {
  const auto shape = broadcast(in[0]->shape, in[1]->shape);
  if (!shape)
    fail("[{}] shapes {} and {} do not broadcast", name_of(Op{o}), to_string(in[0]->shape),
         to_string(in[1]->shape));
  for (const auto* x : in)
    if (x->shape == *shape) return {*shape, elementwise_strides(*shape, x->strides), x->dtype};
  return dense(*shape, in[0]->dtype);
}

Output infer_op(const op::Scale&, Inputs in) { return like(*in[0]); }
Output infer_op(const op::Activation&, Inputs in) { return like(*in[0]); }
Output infer_op(const op::Softmax&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }
Output infer_op(const op::LayerNorm&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }
Output infer_op(const op::RmsNorm&, Inputs in) { return like(*in[0]); }

Output infer_op(const op::GlobalResponseNorm&, Inputs in) {
  if (in[0]->shape.rank() < 3)
    fail("[global_response_norm] input {} is not [batch, ..., channels]", to_string(in[0]->shape));
  return like(*in[0]);
}

Output infer_op(const op::Dropout&, Inputs in) { return like(*in[0]); }
Output infer_op(const op::DropPath&, Inputs in) { return like(*in[0]); }
Output infer_op(const op::Copy&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }
Output infer_op(const op::Roll&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }
Output infer_op(const op::Rope&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }

Output infer_op(const op::Concat& o, Inputs in) {
  Shape shape = in[0]->shape;
  const auto axis = shape.index(o.axis);
  for (const auto* x : in.subspan(1)) {
    Shape other = x->shape;
    if (other.rank() != shape.rank())
      fail("[concat] {} and {} differ in rank", to_string(shape), to_string(other));
    const auto length = other[axis];
    other[axis] = shape[axis];
    if (!(other == shape))
      fail("[concat] {} and {} differ beside axis {}", to_string(shape), to_string(x->shape), axis);
    shape[axis] = (Count(shape[axis]) + length).value();
  }
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::Reshape& o, Inputs in) {
  const auto& x = *in[0];
  if (numel(o.shape) != numel(x.shape))
    fail("[reshape] {} cannot become {}", to_string(x.shape), to_string(o.shape));
  if (const auto strides = view_strides(x.shape, x.strides, o.shape))
    return {o.shape, *strides, x.dtype, true};
  return dense(o.shape, x.dtype);
}

Output infer_op(const op::Expand& o, Inputs in) {
  const auto& x = *in[0];
  const auto shape = broadcast(x.shape, o.shape);
  if (!shape || !(*shape == o.shape))
    fail("[expand] {} cannot become {}", to_string(x.shape), to_string(o.shape));
  Strides strides = o.shape;
  const auto offset = o.shape.rank() - x.shape.rank();
  for (std::size_t i = 0; i < o.shape.rank(); ++i) {
    const bool repeated = i < offset || x.shape[i - offset] != o.shape[i];
    strides[i] = repeated ? 0 : x.strides[i - offset];
  }
  return {o.shape, strides, x.dtype, true};
}

Output infer_op(const op::Permute& o, Inputs in) {
  const auto& x = *in[0];
  assert(o.order.rank() == x.shape.rank());
  Output out{x.shape, x.strides, x.dtype, true};
  for (std::size_t i = 0; i < o.order.rank(); ++i) {
    out.shape[i] = x.shape[o.order[i]];
    out.strides[i] = x.strides[o.order[i]];
  }
  return out;
}

Dims without(const Dims& dims, std::size_t axis) {
  Dims result;
  for (std::size_t i = 0; i < dims.rank(); ++i)
    if (i != axis) result.push_back(dims[i]);
  return result;
}

Output infer_op(const op::Slice& o, Inputs in) {
  const auto& x = *in[0];
  const auto axis = x.shape.index(o.axis);
  if (o.start + o.length > x.shape[axis])
    fail("[slice] {}..{} is outside axis {} of {}", o.start, o.start + o.length, axis,
         to_string(x.shape));
  Output out{x.shape, x.strides, x.dtype, true};
  out.shape[axis] = o.length;
  if (o.select) {
    out.shape = without(out.shape, axis);
    out.strides = without(out.strides, axis);
  }
  return out;
}

Output infer_op(const op::Reduce& o, Inputs in) {
  Shape shape = in[0]->shape;
  const auto axis = shape.index(o.axis);
  if (o.keep)
    shape[axis] = 1;
  else
    shape = without(shape, axis);
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::Embedding& o, Inputs in) {
  Shape shape = in[0]->shape;
  shape.push_back(o.dim);
  return dense(shape, DType::f32);
}

Output infer_op(const op::Gather& o, Inputs in) {
  const auto& table = in[0]->shape;
  if (table.rank() != 2) fail("[gather] the table {} is not a matrix", to_string(table));
  return dense({o.count, table[1]}, in[0]->dtype);
}

}  // namespace

Output infer(const Op& op, std::span<const Node* const> inputs) {
  return std::visit([&](const auto& o) { return infer_op(o, inputs); }, op);
}

}  // namespace vitals
