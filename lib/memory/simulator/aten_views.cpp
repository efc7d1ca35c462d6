#include "memory/simulator/aten.h"

namespace vitals::eager {
namespace {

Dims without(const Dims& dims, std::size_t axis) {
  Dims result;
  for (std::size_t i = 0; i < dims.rank(); ++i)
    if (i != axis) result.push_back(dims[i]);
  return result;
}

Tensor permuted(const Tensor& x, const Dims& order) {
  Shape shape = x->shape;
  Strides strides = x->strides;
  for (std::size_t i = 0; i < order.rank(); ++i) {
    shape[i] = x->shape[order[i]];
    strides[i] = x->strides[order[i]];
  }
  return Tape::view(x, shape, strides);
}

}  // namespace

Tensor Aten::fresh(const Shape& shape, const Tensor& like) {
  return tape_.empty(eager::contiguous(shape, like->dtype, like->split));
}

Tensor Aten::raw_contiguous(const Tensor& x) {
  return is_contiguous(x->shape, x->strides) ? x : fresh(x->shape, x);
}

// Images in the layout that a convolution works in.
Tensor Aten::raw_images(const Tensor& x, bool channels_last) {
  if (!channels_last) return raw_contiguous(x);
  if (is_channels_last(x->shape, x->strides)) return x;
  return tape_.empty({x->shape, channels_last_strides(x->shape), x->dtype, x->split});
}

Tensor Aten::raw_reshape(const Tensor& x, const Shape& shape) {
  if (const auto strides = view_strides(x->shape, x->strides, shape))
    return Tape::view(x, shape, *strides);
  return fresh(shape, x);
}

Tensor Aten::view_as(const Tensor& x, const Shape& shape) {
  const auto strides = view_strides(x->shape, x->strides, shape);
  auto y = Tape::view(x, shape, strides.value_or(contiguous_strides(shape)));
  return tape_.record(y, {x}, {}, [this, old = x->shape](Tensors& g, Tensors&) {
    return Tensors{raw_reshape(g[0], old)};
  });
}

Tensor Aten::reshape(const Tensor& x, const Shape& shape) {
  if (view_strides(x->shape, x->strides, shape)) return view_as(x, shape);
  auto copy =
      tape_.record(fresh(x->shape, x), {x}, {}, [](Tensors& g, Tensors&) { return Tensors{g[0]}; });
  return view_as(copy, shape);
}

Tensor Aten::contiguous(const Tensor& x) {
  if (is_contiguous(x->shape, x->strides)) return x;
  return tape_.record(fresh(x->shape, x), {x}, {},
                      [](Tensors& g, Tensors&) { return Tensors{g[0]}; });
}

Tensor Aten::permute(const Tensor& x, const Dims& order) {
  Dims inverse = order;
  for (std::size_t i = 0; i < order.rank(); ++i) inverse[order[i]] = i;
  return tape_.record(permuted(x, order), {x}, {},
                      [inverse](Tensors& g, Tensors&) { return Tensors{permuted(g[0], inverse)}; });
}

Tensor Aten::expand(const Tensor& x, const Shape& shape) {
  Strides strides = shape;
  const auto offset = shape.rank() - x->shape.rank();
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    const bool repeated = i < offset || x->shape[i - offset] != shape[i];
    strides[i] = repeated ? 0 : x->strides[i - offset];
  }
  // The engine sums the gradient to the input's shape.
  return tape_.record(Tape::view(x, shape, strides), {x}, {},
                      [](Tensors& g, Tensors&) { return Tensors{g[0]}; });
}

Tensor Aten::index(const Tensor& x, std::size_t axis, std::uint64_t length, bool select) {
  // slice_backward and select_backward fill a tensor of the input's whole shape.
  auto whole = [this](const Tensor& t) {
    return [this, meta = Meta{t->shape, contiguous_strides(t->shape), t->dtype, t->split}](
               Tensors&, Tensors&) { return Tensors{tape_.empty(meta)}; };
  };
  auto y = x;
  for (std::size_t d = 0; d < axis + (select ? 0 : 1); ++d) {
    auto shape = y->shape;
    if (d == axis) shape[d] = length;
    y = tape_.record(Tape::view(y, shape, y->strides), {y}, {}, whole(y));
  }
  if (!select) return y;
  auto picked = Tape::view(y, without(y->shape, axis), without(y->strides, axis));
  return tape_.record(picked, {y}, {}, whole(y));
}

// Keeps the index, of int64; the backward pass fills a tensor of the whole.
Tensor Aten::take_rows(const Tensor& x, std::uint64_t rows) {
  const auto index = tape_.empty(eager::contiguous({rows}, DType::i64));
  auto shape = x->shape;
  shape[0] = rows;
  const Meta whole = eager::contiguous(x->shape, x->dtype, x->split);
  return tape_.record(fresh(shape, x), {x}, {index},
                      [this, whole](Tensors&, Tensors&) { return Tensors{tape_.empty(whole)}; });
}

Tensor Aten::add_rows(const Tensor& sum, const Tensor& rows) {
  const auto index = tape_.empty(eager::contiguous({rows->shape[0]}, DType::i64));
  auto out = Tape::view(sum, sum->shape, sum->strides);
  out->node = sum->node;
  out->output = sum->output;
  const Meta part = eager::contiguous(rows->shape, rows->dtype, rows->split);
  return tape_.record(out, {sum, rows}, {index}, [this, part](Tensors& g, Tensors&) {
    return Tensors{g[0], tape_.empty(part)};
  });
}

Tensors Aten::split(const Tensor& x, std::size_t axis, const std::vector<std::uint64_t>& lengths,
                    bool drop_axis) {
  Tensors pieces;
  for (const auto length : lengths) {
    auto shape = x->shape;
    shape[axis] = length;
    pieces.push_back(drop_axis ? Tape::view(x, without(shape, axis), without(x->strides, axis))
                               : Tape::view(x, shape, x->strides));
  }
  // One cat or stack of the gradients.
  const auto meta = eager::contiguous(x->shape, x->dtype, x->split);
  tape_.record(pieces, {x}, {},
               [this, meta](Tensors&, Tensors&) { return Tensors{tape_.empty(meta)}; });
  return pieces;
}

}  // namespace vitals::eager
