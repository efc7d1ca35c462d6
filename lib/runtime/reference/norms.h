// The reference kernels of what normalises: softmax and the norms.
#pragma once

#include "runtime/reference/operands.h"

#include <vector>

namespace vitals::reference {

// exp(x - max) / sum, so that no exponential overflows
template <class T>
void softmax_row(Row<const T> x, Row<T> y) {
  using std::exp;
  T top = x[0];
  for (std::uint64_t i = 1; i < x.size; ++i) top = larger(top, x[i]);
  for (std::uint64_t i = 0; i < x.size; ++i) y[i] = exp(x[i] - top);
  const T sum = sum_of(constant(y));
  for (std::uint64_t i = 0; i < x.size; ++i) y[i] = y[i] / sum;
}

template <class T>
void run(const op::Softmax&, const Operands<T>& in, const Strided<T>& out) {
  for_each_row(in.inputs[0], out, [](const Dims&, Row<const T> x, Row<T> y) { softmax_row(x, y); });
}

// y * weight + bias along a row, as far as they are there
template <class T>
void apply_affine(const Operands<T>& in, const Dims& index, Row<T> y) {
  for (std::uint64_t i = 0; i < y.size && !in.weight.empty(); ++i)
    y[i] = y[i] * param_row(in.weight, index)[i];
  for (std::uint64_t i = 0; i < y.size && !in.bias.empty(); ++i)
    y[i] = y[i] + param_row(in.bias, index)[i];
}

template <class T>
void run(const op::LayerNorm& o, const Operands<T>& in, const Strided<T>& out) {
  for_each_row(in.inputs[0], out, [&](const Dims& index, Row<const T> x, Row<T> y) {
    const auto count = T(static_cast<double>(x.size));
    const T mean = sum_of(x) / count;
    for (std::uint64_t i = 0; i < x.size; ++i) y[i] = x[i] - mean;
    const T factor = reciprocal_root(dot(constant(y), constant(y)) / count + T(o.eps));
    for (std::uint64_t i = 0; i < x.size; ++i) y[i] = y[i] * factor;
    apply_affine(in, index, y);
  });
}

template <class T>
void run(const op::RmsNorm& o, const Operands<T>& in, const Strided<T>& out) {
  for_each_row(in.inputs[0], out, [&](const Dims& index, Row<const T> x, Row<T> y) {
    const T factor = reciprocal_root(dot(x, x) / T(static_cast<double>(x.size)) + T(o.eps));
    for (std::uint64_t i = 0; i < x.size; ++i) y[i] = x[i] * factor;
    apply_affine(in, index, y);
  });
}

template <class T>
void run(const op::GlobalResponseNorm& o, const Operands<T>& in, const Strided<T>& out) {
  using std::sqrt;
  const auto& x = in.inputs[0];
  const auto channels = x.shape.at(-1);
  const auto place = [&](const Dims& i) { return i[0] * channels + i.at(-1); };
  std::vector<std::optional<T>> squares(x.shape[0] * channels);
  for_each_index(x.shape, [&](const Dims& i) {
    auto& sum = squares[place(i)];
    const T square = x[i] * x[i];
    sum = sum ? *sum + square : square;
  });
  std::vector<T> factors;
  for (const auto& square : squares) factors.push_back(sqrt(square.value_or(T(0))));
  for (std::uint64_t sample = 0; sample < x.shape[0]; ++sample) {
    const Row<T> row{factors.data() + sample * channels, 1, channels};
    const T divisor = sum_of(constant(row)) / T(static_cast<double>(channels)) + T(o.eps);
    for (std::uint64_t c = 0; c < channels; ++c) row[c] = row[c] / divisor;
  }
  for_each_index(x.shape, [&](const Dims& i) {
    const Dims channel{i.at(-1)};
    out[i] = x[i] + (in.weight[channel] * (x[i] * factors[place(i)]) + in.bias[channel]);
  });
}

}  // namespace vitals::reference
