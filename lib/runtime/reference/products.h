// The reference kernels of matrix products and convolutions.
#pragma once

#include "runtime/reference/operands.h"

#include <cassert>

namespace vitals::reference {

// y = x W^T + b, with the weight given as [out, in] by its strides.
template <class T>
void project(Row<const T> x, const Strided<const T>& w, const Strided<const T>& bias, Row<T> y) {
  for (std::uint64_t j = 0; j < y.size; ++j)
    y[j] = dot(x, {w.data + j * w.strides[0], w.strides[1], x.size},
               bias.empty() ? nullptr : bias.data + j * bias.strides[0]);
}

template <class T>
Strided<const T> turned(const Strided<const T>& matrix) {
  return {matrix.data, {matrix.shape[1], matrix.shape[0]}, {matrix.strides[1], matrix.strides[0]}};
}

// The matrix, or vector, at `index` of the first dimension.
template <class T>
Strided<const T> part(const Strided<const T>& x, std::uint64_t index) {
  Strided<const T> result{x.data + index * x.strides[0], {}, {}};
  for (std::size_t i = 1; i < x.shape.rank(); ++i) {
    result.shape.push_back(x.shape[i]);
    result.strides.push_back(x.strides[i]);
  }
  return result;
}

template <class T>
void run(const op::Linear& o, const Operands<T>& in, const Strided<T>& out) {
  const auto w = o.transposed ? turned(in.weight) : in.weight;
  const auto& bias = in.inputs.size() > 1 ? in.inputs[1] : in.bias;
  for_each_row(in.inputs[0], out,
               [&](const Dims&, Row<const T> x, Row<T> y) { project(x, w, bias, y); });
}

template <class T>
void run(const op::ExpertLinear& o, const Operands<T>& in, const Strided<T>& out) {
  assert(in.index != nullptr);
  const auto& x = in.inputs[0];
  for_each_index(without_last(out.shape, 1), [&](const Dims& i) {
    const auto expert = static_cast<std::uint64_t>(in.index[i[0] * o.active + i[1]]);
    const auto w = part(in.weight, expert);
    const Dims from = x.shape.rank() == 2 ? Dims{i[0]} : i;
    project(row_of(x, from), o.transposed ? turned(w) : w,
            in.bias.empty() ? in.bias : part(in.bias, expert), row_of(out, i));
  });
}

// One output of a convolution over [B, C, spatial...]; what lies outside of the image is zero.
template <class T>
T conv_at(const op::Conv& o, const Operands<T>& in, const Dims& i) {
  const auto& x = in.inputs[0];
  const auto& w = in.weight;
  const auto channels = o.in / o.groups;
  const auto first_channel = i[1] / (o.out / o.groups) * channels;
  T sum = in.bias.empty() ? T(0) : in.bias.data[i[1] * in.bias.strides[0]];
  bool begun = !in.bias.empty();
  Shape taps = {channels};
  for (std::size_t d = 2; d < x.shape.rank(); ++d) taps.push_back(w.shape[d]);
  for_each_index(taps, [&](const Dims& tap) {
    Dims at = {i[0], first_channel + tap[0]};
    Dims weight = {i[1], tap[0]};
    bool inside = true;
    for (std::size_t d = 2; d < x.shape.rank(); ++d) {
      const auto side = d - 2;
      // Unsigned: a position before the first one wraps and so is beyond the last as well.
      at.push_back(i[d] * o.stride[side] + tap[d - 1] * o.dilation[side] - o.padding[side]);
      weight.push_back(tap[d - 1]);
      inside &= at[d] < x.shape[d];
    }
    const T product = (inside ? x[at] : T(0)) * w[weight];
    sum = begun ? sum + product : product;
    begun = true;
  });
  return sum;
}

// Every input is spread over the kernel's positions; what falls outside is lost.
template <class T>
void conv_transposed(const op::Conv& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  const auto& w = in.weight;
  const auto per_group = o.out / o.groups;
  for_each_index(out.shape, [&](const Dims& i) {
    out[i] = in.bias.empty() ? T(0) : in.bias.data[i[1] * in.bias.strides[0]];
  });
  Shape taps = {per_group};
  for (std::size_t d = 2; d < x.shape.rank(); ++d) taps.push_back(w.shape[d]);
  for_each_index(x.shape, [&](const Dims& i) {
    const auto first = i[1] / (o.in / o.groups) * per_group;
    for_each_index(taps, [&](const Dims& tap) {
      Dims to = {i[0], first + tap[0]};
      Dims weight = {i[1], tap[0]};
      bool inside = true;
      for (std::size_t d = 2; d < x.shape.rank(); ++d) {
        to.push_back(i[d] * o.stride[d - 2] + tap[d - 1] * o.dilation[d - 2] - o.padding[d - 2]);
        weight.push_back(tap[d - 1]);
        inside &= to[d] < out.shape[d];
      }
      T lost(0);
      T& sum = inside ? out[to] : lost;
      sum = sum + x[i] * w[weight];
    });
  });
}

template <class T>
void run(const op::Conv& o, const Operands<T>& in, const Strided<T>& out) {
  if (o.transposed) return conv_transposed(o, in, out);
  for_each_index(out.shape, [&](const Dims& i) { out[i] = conv_at(o, in, i); });
}

template <class T>
void run(const op::MatMul&, const Operands<T>& in, const Strided<T>& out) {
  const auto& a = in.inputs[0];
  const auto& b = in.inputs[1];
  const auto k = a.shape.at(-1);
  for_each_index(without_last(out.shape, 1), [&](const Dims& i) {
    const auto batch = without_last(i, 1);
    const auto y = row_of(out, i);
    const Row<const T> x{a.data + broadcast_offset(batch, without_last(a.shape, 2), a.strides) +
                             i.at(-1) * a.strides.at(-2),
                         a.strides.at(-1), k};
    const auto* columns = b.data + broadcast_offset(batch, without_last(b.shape, 2), b.strides);
    for (std::uint64_t j = 0; j < y.size; ++j)
      y[j] = dot(x, {columns + j * b.strides.at(-1), b.strides.at(-2), k});
  });
}

}  // namespace vitals::reference
