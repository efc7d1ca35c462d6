// The reference kernels of what normalises: softmax and the norms.
#pragma once

#include "runtime/reference/operands.h"

#include <optional>
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

// x - max - log(sum(exp(x - max)))
template <class T>
void log_softmax_row(Row<const T> x, Row<T> y) {
  using std::exp;
  using std::log;
  T top = x[0];
  for (std::uint64_t i = 1; i < x.size; ++i) top = larger(top, x[i]);
  T sum = T(0);
  for (std::uint64_t i = 0; i < x.size; ++i) {
    y[i] = x[i] - top;
    const T e = exp(y[i]);
    sum = i == 0 ? e : sum + e;
  }
  const T normaliser = log(sum);
  for (std::uint64_t i = 0; i < x.size; ++i) y[i] = y[i] - normaliser;
}

template <class T>
void run(const op::Softmax& o, const Operands<T>& in, const Strided<T>& out) {
  for_each_line(in.inputs[0], out, o.axis, [&](Row<const T> x, Row<T> y) {
    o.log ? log_softmax_row(x, y) : softmax_row(x, y);
  });
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

// Mean and 1 / sqrt(var + eps) of what `each` visits.
template <class T>
struct Moments {
  T mean;
  T factor;
};
template <class T, class Each>
Moments<T> moments(double eps, Each&& each) {
  std::optional<T> sum;
  std::uint64_t count = 0;
  each([&](const T& x) {
    sum = sum ? *sum + x : x;
    ++count;
  });
  const T n = T(static_cast<double>(count));
  const T mean = sum.value_or(T(0)) / n;
  std::optional<T> squares;
  each([&](const T& x) {
    const T d = x - mean;
    const T square = d * d;
    squares = squares ? *squares + square : square;
  });
  return {mean, reciprocal_root(squares.value_or(T(0)) / n + T(eps))};
}

template <class T>
void run(const op::BatchNorm& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  Shape positions = x.shape;
  positions[1] = 1;
  for (std::uint64_t c = 0; c < x.shape[1]; ++c) {
    const auto at = [&](Dims i) {
      i[1] = c;
      return i;
    };
    T mean(0);
    T factor(1);
    if (o.training) {
      const auto m = moments<T>(o.eps, [&](auto&& visit) {
        for_each_index(positions, [&](const Dims& i) { visit(x[at(i)]); });
      });
      mean = m.mean;
      factor = m.factor;
    } else {
      mean = in.inputs[1][{c}];
      factor = reciprocal_root(in.inputs[2][{c}] + T(o.eps));
    }
    if (!in.weight.empty()) factor = in.weight[{c}] * factor;
    for_each_index(positions, [&](const Dims& i) {
      const T y = (x[at(i)] - mean) * factor;
      out[at(i)] = in.bias.empty() ? y : y + in.bias[{c}];
    });
  }
}

template <class T>
void run(const op::GroupNorm& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  Shape part = x.shape;
  part[0] = 1;
  part[1] /= o.groups;
  for (std::uint64_t sample = 0; sample < x.shape[0]; ++sample)
    for (std::uint64_t group = 0; group < o.groups; ++group) {
      const auto at = [&](Dims i) {
        i[0] = sample;
        i[1] += group * part[1];
        return i;
      };
      const auto m = moments<T>(o.eps, [&](auto&& visit) {
        for_each_index(part, [&](const Dims& i) { visit(x[at(i)]); });
      });
      for_each_index(part, [&](const Dims& i) {
        const Dims to = at(i);
        T y = (x[to] - m.mean) * m.factor;
        if (!in.weight.empty()) y = y * in.weight[{to[1]}];
        if (!in.bias.empty()) y = y + in.bias[{to[1]}];
        out[to] = y;
      });
    }
}

template <class T>
void run(const op::LocalResponseNorm& o, const Operands<T>& in, const Strided<T>& out) {
  using std::exp;
  using std::log;
  const auto& x = in.inputs[0];
  const auto before = (o.size - 1) / 2;
  for_each_index(out.shape, [&](const Dims& i) {
    std::optional<T> sum;
    for (std::uint64_t tap = 0; tap < o.size; ++tap) {
      Dims at = i;
      at[1] = i[1] + tap - before;  // unsigned: beside the first channel is beyond the last
      const T value = at[1] < x.shape[1] ? x[at] : T(0);
      const T square = value * value;
      sum = sum ? *sum + square : square;
    }
    const T scale = T(o.k) + T(o.alpha / static_cast<double>(o.size)) * *sum;
    out[i] = x[i] / exp(T(o.beta) * log(scale));
  });
}

}  // namespace vitals::reference
