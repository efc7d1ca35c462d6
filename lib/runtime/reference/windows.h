// The reference kernels of pools.
#pragma once

#include "runtime/reference/operands.h"

#include <limits>
#include <vector>

namespace vitals::reference {

// What a window gives: of its values, where those beside the input are zero (or nothing, for max).
template <class T>
T pooled(op::PoolKind kind, double p, const std::vector<T>& values, double divisor) {
  using std::exp;
  using std::log;
  const auto value = [&](std::size_t i) {
    if (kind != op::PoolKind::lp) return values[i];
    const T size = values[i] < T(0) ? -values[i] : values[i];
    return exp(T(p) * log(size));
  };
  T result = value(0);
  for (std::size_t i = 1; i < values.size(); ++i)
    result = kind == op::PoolKind::max ? larger(result, value(i)) : result + value(i);
  if (kind == op::PoolKind::avg) return result / T(divisor);
  return kind == op::PoolKind::lp ? exp(log(result) / T(p)) : result;
}

template <class T>
void run(const op::Pool& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  const bool max = o.kind == op::PoolKind::max;
  const T outside = T(max ? -std::numeric_limits<double>::infinity() : 0.0);
  Shape taps;
  for (std::size_t d = 0; d < o.spatial_dims; ++d) taps.push_back(o.kernel[d]);
  for_each_index(out.shape, [&](const Dims& i) {
    std::vector<T> values;
    double counted = 0;
    for_each_index(taps, [&](const Dims& tap) {
      Dims at = {i[0], i[1]};
      bool inside = true;
      bool padded = true;  // inside, or in the padding: what a window over the end reads is neither
      for (std::size_t d = 0; d < taps.rank(); ++d) {
        const auto position = i[d + 2] * o.stride[d] + tap[d] * o.dilation[d];
        at.push_back(position - o.padding[d]);
        inside &= at[d + 2] < x.shape[d + 2];
        padded &= static_cast<std::int64_t>(position) <
                  static_cast<std::int64_t>(x.shape[d + 2] + 2 * std::uint64_t{o.padding[d]}) +
                      o.more_padding[d];
      }
      values.push_back(inside ? x[at] : outside);
      if (inside || (o.count_padding && padded)) counted += 1;
    });
    out[i] = pooled(o.kind, o.p, values, counted);
  });
}

template <class T>
void run(const op::AdaptivePool& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  for_each_index(out.shape, [&](const Dims& i) {
    Shape window = {1, 1};
    Dims first = {i[0], i[1]};
    for (std::size_t d = 2; d < i.rank(); ++d) {
      first.push_back(adaptive_begin(i[d], x.shape[d], out.shape[d]));
      window.push_back(adaptive_end(i[d], x.shape[d], out.shape[d]) - first[d]);
    }
    std::vector<T> values;
    for_each_index(window, [&](const Dims& tap) {
      Dims at = first;
      for (std::size_t d = 0; d < at.rank(); ++d) at[d] += tap[d];
      values.push_back(x[at]);
    });
    out[i] = pooled(o.kind, o.p, values, static_cast<double>(values.size()));
  });
}

}  // namespace vitals::reference
