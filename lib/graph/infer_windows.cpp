#include "graph/infer_rules.h"

namespace vitals::shape_rules {

namespace {

// The side of a window with gaps between its elements.
std::uint64_t spread(std::uint32_t kernel, std::uint32_t dilation) {
  return std::uint64_t{dilation} * (kernel - 1) + 1;
}

// A size with padding on both sides; `more` of it, or less, at the end.
std::uint64_t padded(std::uint64_t size, std::uint32_t padding, std::int32_t more) {
  const auto sum = Count(size) + 2 * std::uint64_t{padding};
  if (more >= 0) return (sum + static_cast<std::uint64_t>(more)).value();
  const auto less = static_cast<std::uint64_t>(-static_cast<std::int64_t>(more));
  return sum.value() < less ? 0 : sum.value() - less;
}

void check_images(const char* op, const Shape& x, std::uint8_t spatial_dims) {
  if (spatial_dims < 1 || spatial_dims > 3 || x.rank() != 2U + spatial_dims)
    fail("[{}] input {} is not [batch, channels, ...] with {} spatial dimensions", op, to_string(x),
         spatial_dims);
}

std::uint64_t conv_extent(const op::Conv& o, std::uint64_t size, std::size_t i) {
  const auto window = spread(o.kernel[i], o.dilation[i]);
  if (!o.transposed) {
    const auto length = padded(size, o.padding[i], o.more_padding[i]);
    if (length < window) fail("[conv] the kernel of {} does not fit into {}", window, length);
    return (length - window) / o.stride[i] + 1;
  }
  if (size == 0) return 0;
  const auto whole =
      (Count(size - 1) * o.stride[i] + window + std::uint64_t{o.output_padding[i]}).value();
  const auto cropped = padded(0, o.padding[i], o.more_padding[i]);
  if (whole < cropped) fail("[conv] the padding of {} is more than {}", cropped, whole);
  return whole - cropped;
}

// Windows that begin inside of the input or of the padding before it
// (aten/src/ATen/native/Pool.h, pooling_output_shape).
std::uint64_t pool_extent(const op::Pool& o, std::uint64_t size, std::size_t i) {
  const auto window = spread(o.kernel[i], o.dilation[i]);
  const auto length = padded(size, o.padding[i], o.more_padding[i]);
  if (length < window) fail("[pool] the window of {} does not fit into {}", window, length);
  const auto rest = length - window;
  if (!o.ceil_mode) return rest / o.stride[i] + 1;
  auto windows = (rest + o.stride[i] - 1) / o.stride[i] + 1;
  if ((windows - 1) * o.stride[i] >= size + o.padding[i]) --windows;
  return windows;
}

Output images(const Shape& shape, const Node& x) {
  auto out = dense(shape, x.dtype);
  if (is_channels_last(x.shape, x.strides)) out.strides = channels_last_strides(shape);
  return out;
}

}  // namespace

Output infer_op(const op::Conv& o, Inputs in) {
  const auto& x = in[0]->shape;
  if (o.spatial_dims < 1 || o.spatial_dims > 3 || x.rank() != 2U + o.spatial_dims || x[1] != o.in)
    fail("[conv] input {} is not [batch, {}, ...]", to_string(x), o.in);
  if (o.groups == 0 || o.in % o.groups != 0 || o.out % o.groups != 0)
    fail("[conv] {} and {} channels do not fall into {} groups", o.in, o.out, o.groups);
  Shape shape{x[0], o.out};
  for (std::size_t i = 0; i < o.spatial_dims; ++i) {
    if (o.kernel[i] == 0 || o.stride[i] == 0 || o.dilation[i] == 0)
      fail("[conv] kernel, stride and dilation are 1 or more");
    shape.push_back(conv_extent(o, x[2 + i], i));
  }
  return images(shape, *in[0]);
}

Output infer_op(const op::Pool& o, Inputs in) {
  const auto& x = in[0]->shape;
  check_images("pool", x, o.spatial_dims);
  Shape shape{x[0], x[1]};
  for (std::size_t i = 0; i < o.spatial_dims; ++i) {
    if (o.kernel[i] == 0 || o.stride[i] == 0 || o.dilation[i] == 0)
      fail("[pool] kernel, stride and dilation are 1 or more");
    shape.push_back(pool_extent(o, x[2 + i], i));
  }
  return images(shape, *in[0]);
}

Output infer_op(const op::AdaptivePool& o, Inputs in) {
  const auto& x = in[0]->shape;
  check_images("adaptive_pool", x, o.spatial_dims);
  Shape shape{x[0], x[1]};
  for (std::size_t i = 0; i < o.spatial_dims; ++i) shape.push_back(o.output[i]);
  return images(shape, *in[0]);
}

Output infer_op(const op::Resize& o, Inputs in) {
  if (o.shape.rank() != in[0]->shape.rank())
    fail("[resize] {} cannot become {}", to_string(in[0]->shape), to_string(o.shape));
  return images(o.shape, *in[0]);
}

}  // namespace vitals::shape_rules
