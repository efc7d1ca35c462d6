#include "graph/infer_rules.h"

#include <cassert>

namespace vitals::shape_rules {

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

namespace {

Dims without(const Dims& dims, std::size_t axis) {
  Dims result;
  for (std::size_t i = 0; i < dims.rank(); ++i)
    if (i != axis) result.push_back(dims[i]);
  return result;
}

std::uint64_t sized(std::uint64_t size, std::uint64_t before, std::uint64_t after) {
  return (Count(size) + before + after).value();
}

}  // namespace

// Of x[start : start + length] every step-th element.
Output infer_op(const op::Slice& o, Inputs in) {
  const auto& x = *in[0];
  const auto axis = x.shape.index(o.axis);
  const auto end = (Count(o.start) + o.length).value();
  if (end > x.shape[axis] || o.step == 0)
    fail("[slice] {}..{} is outside axis {} of {}", o.start, end, axis, to_string(x.shape));
  Output out{x.shape, x.strides, x.dtype, true};
  out.shape[axis] = (o.length + o.step - 1) / o.step;
  if (o.step > 1) out.strides[axis] = (Count(x.strides[axis]) * o.step).value();
  if (o.select) {
    out.shape = without(out.shape, axis);
    out.strides = without(out.strides, axis);
  }
  return out;
}

Output infer_op(const op::Triangle&, Inputs in) {
  if (in[0]->shape.rank() < 2) fail("[triangle] {} is not a matrix", to_string(in[0]->shape));
  return dense(in[0]->shape, in[0]->dtype);
}

Output infer_op(const op::Flip&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }

Output infer_op(const op::Tile& o, Inputs in) {
  Shape shape = in[0]->shape;
  if (o.repeats.rank() != shape.rank())
    fail("[tile] {} repeats for {}", o.repeats.rank(), to_string(shape));
  for (std::size_t i = 0; i < shape.rank(); ++i)
    shape[i] = (Count(shape[i]) * o.repeats[i]).value();
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::Pad& o, Inputs in) {
  Shape shape = in[0]->shape;
  if (o.before.rank() != shape.rank() || o.after.rank() != shape.rank())
    fail("[pad] {} and {} dimensions of padding for {}", o.before.rank(), o.after.rank(),
         to_string(shape));
  for (std::size_t i = 0; i < shape.rank(); ++i)
    shape[i] = sized(shape[i], o.before[i], o.after[i]);
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::Take& o, Inputs in) {
  const auto& x = in[0]->shape;
  const auto& index = in[1]->shape;
  if (o.kind == op::TakeKind::elements) return dense(index, in[0]->dtype);
  Shape shape;
  const auto add = [&](std::uint64_t size) {
    if (shape.rank() == kMaxRank)
      fail("[{}] of {} by {} has more than {} dimensions", name_of(Op{o}), to_string(x),
           to_string(index), kMaxRank);
    shape.push_back(size);
  };
  if (o.kind == op::TakeKind::rows) {
    const auto axis = x.index(o.axis);
    for (std::size_t i = 0; i < axis; ++i) add(x[i]);
    for (auto size : index) add(size);
    for (auto i = axis + 1; i < x.rank(); ++i) add(x[i]);
    return dense(shape, in[0]->dtype);
  }
  if (index.empty() || o.batch_dims + index.at(-1) > x.rank())
    fail("[{}] the index {} does not fit {}", name_of(Op{o}), to_string(index), to_string(x));
  for (std::size_t i = 0; i + 1 < index.rank(); ++i) add(index[i]);
  for (auto i = o.batch_dims + index.at(-1); i < x.rank(); ++i) add(x[i]);
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::Scatter&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }
Output infer_op(const op::Copy&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }
Output infer_op(const op::Roll&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }

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

}  // namespace vitals::shape_rules
