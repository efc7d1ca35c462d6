// The reference kernels of what stands elsewhere afterwards, is looked up, chosen or reduced, and
// of the leaves.
#pragma once

#include "runtime/reference/operands.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <optional>
#include <vector>

namespace vitals::reference {

template <class T>
void run(const op::Input&, const Operands<T>&, const Strided<T>&) {}
template <class T>
void run(const op::Parameter&, const Operands<T>&, const Strided<T>&) {}
template <class T>
void run(const op::Constant&, const Operands<T>&, const Strided<T>&) {}

// Of equal values the first comes first.
template <class T>
void run(const op::TopK& o, const Operands<T>& in, const Strided<T>& out) {
  std::uint64_t row = 0;
  for_each_line(in.inputs[0], out, o.axis, [&](Row<const T> x, Row<T> y) {
    std::vector<std::uint64_t> left(x.size);
    std::iota(left.begin(), left.end(), std::uint64_t{0});
    for (std::uint64_t i = 0; i < o.k; ++i) {
      auto best = left.begin();
      for (auto other = best + 1; other < left.end(); ++other)
        if (o.smallest ? x[*other] < x[*best] : x[*best] < x[*other]) best = other;
      y[i] = x[*best];
      if (in.chosen != nullptr) in.chosen[row * o.k + i] = static_cast<std::int64_t>(*best);
      left.erase(best);
    }
    ++row;
  });
}

template <class T>
void run(const op::ArgReduce& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  const auto axis = x.shape.index(o.axis);
  Shape others = x.shape;
  others[axis] = 1;
  auto at = first_index(out.shape.rank());
  for_each_index(others, [&](const Dims& i) {
    const Row<const T> line{&x[i], x.strides[axis], x.shape[axis]};
    std::uint64_t best = 0;
    for (std::uint64_t k = 1; k < line.size; ++k)
      if (o.smallest ? line[k] < line[best] : line[best] < line[k]) best = k;
    out[at] = T(static_cast<double>(best));
    (void)advance(at, out.shape);
  });
}

template <class T>
void run(const op::Cumulative& o, const Operands<T>& in, const Strided<T>& out) {
  for_each_line(in.inputs[0], out, o.axis, [&](Row<const T> x, Row<T> y) {
    for (std::uint64_t i = 0; i < x.size; ++i) {
      if (i == 0)
        y[i] = x[i];
      else
        y[i] = o.kind == op::CumulativeKind::sum ? y[i - 1] + x[i] : y[i - 1] * x[i];
    }
  });
}

template <class T>
void run(const op::Concat& o, const Operands<T>& in, const Strided<T>& out) {
  const auto axis = out.shape.index(o.axis);
  std::uint64_t start = 0;
  for (const auto& x : in.inputs) {
    copy(x, {out.data + start * out.strides[axis], x.shape, out.strides});
    start += x.shape[axis];
  }
}

template <class T>
void run(const op::Reshape&, const Operands<T>& in, const Strided<T>& out) {
  copy(in.inputs[0], out);
}

template <class T>
void run(const op::Expand&, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  for_each_index(out.shape,
                 [&](const Dims& i) { out[i] = x.data[broadcast_offset(i, x.shape, x.strides)]; });
}

template <class T>
void run(const op::Permute& o, const Operands<T>& in, const Strided<T>& out) {
  Strides strides;
  for (auto axis : o.order) strides.push_back(in.inputs[0].strides[axis]);
  copy({in.inputs[0].data, out.shape, strides}, out);
}

template <class T>
void run(const op::Slice& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  const auto axis = x.shape.index(o.axis);
  Shape shape = x.shape;
  auto strides = x.strides;
  shape[axis] = (o.length + o.step - 1) / o.step;
  strides[axis] *= o.step;
  copy({x.data + o.start * x.strides[axis], shape, strides}, out);
}

template <class T>
void run(const op::Copy&, const Operands<T>& in, const Strided<T>& out) {
  copy(in.inputs[0], out);
}

// torch.roll: what stood at i comes to stand at i + shift.
template <class T>
void run(const op::Roll& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  auto rolled = [](std::uint64_t i, std::uint64_t length, std::int64_t shift) {
    const auto n = static_cast<std::int64_t>(length);
    return static_cast<std::uint64_t>(((static_cast<std::int64_t>(i) + shift) % n + n) % n);
  };
  for_each_index(x.shape, [&](const Dims& i) {
    Dims to = i;
    const auto d0 = x.shape.index(o.axis0);
    const auto d1 = x.shape.index(o.axis1);
    to[d0] = rolled(i[d0], x.shape[d0], o.shift[0]);
    to[d1] = rolled(i[d1], x.shape[d1], o.shift[1]);
    out[to] = x[i];
  });
}

template <class T>
void run(const op::Triangle& o, const Operands<T>& in, const Strided<T>& out) {
  for_each_index(out.shape, [&](const Dims& i) {
    const auto row = static_cast<std::int64_t>(i.at(-2));
    const auto column = static_cast<std::int64_t>(i.at(-1));
    const bool kept = o.upper ? column >= row + o.diagonal : column <= row + o.diagonal;
    out[i] = kept ? in.inputs[0][i] : T(0);
  });
}

template <class T>
void run(const op::Flip& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  for_each_index(out.shape, [&](const Dims& i) {
    Dims from = i;
    for (auto axis : o.axes) from[axis] = x.shape[axis] - 1 - i[axis];
    out[i] = x[from];
  });
}

template <class T>
void run(const op::Tile&, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  for_each_index(out.shape, [&](const Dims& i) {
    Dims from = i;
    for (std::size_t d = 0; d < i.rank(); ++d) from[d] = i[d] % x.shape[d];
    out[i] = x[from];
  });
}

// Where a position beside the input reads: nowhere for a constant border.
inline std::optional<std::uint64_t> pad_source(op::PadKind kind, std::uint64_t i,
                                               std::uint64_t before, std::uint64_t size) {
  const auto n = static_cast<std::int64_t>(size);
  auto at = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(before);
  if (at >= 0 && at < n) return static_cast<std::uint64_t>(at);
  if (kind == op::PadKind::constant || n == 0) return std::nullopt;
  if (kind == op::PadKind::edge) return at < 0 ? 0 : size - 1;
  if (kind == op::PadKind::wrap) return static_cast<std::uint64_t>((at % n + n) % n);
  const auto period = std::max<std::int64_t>(2 * (n - 1), 1);
  at = (at % period + period) % period;
  return static_cast<std::uint64_t>(at < n ? at : period - at);
}

template <class T>
void run(const op::Pad& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  for_each_index(out.shape, [&](const Dims& i) {
    Dims from = i;
    bool inside = true;
    for (std::size_t d = 0; d < i.rank(); ++d) {
      const auto source = pad_source(o.kind, i[d], o.before[d], x.shape[d]);
      inside &= source.has_value();
      from[d] = source.value_or(0);
    }
    out[i] = inside ? x[from] : T(o.value);
  });
}

template <class T>
T reduced(op::ReduceKind kind, std::vector<T>& x) {
  using std::exp;
  using std::log;
  using std::sqrt;
  const auto folded = [&](auto&& f) {
    T value = x[0];
    for (std::size_t i = 1; i < x.size(); ++i) value = f(value, x[i]);
    return value;
  };
  const auto sum = [](const T& a, const T& b) { return a + b; };
  const auto most = [](const T& a, const T& b) { return larger(a, b); };
  switch (kind) {
    case op::ReduceKind::max:
      return folded(most);
    case op::ReduceKind::min:
      return folded([](const T& a, const T& b) { return b < a ? b : a; });
    case op::ReduceKind::prod:
      return folded([](const T& a, const T& b) { return a * b; });
    case op::ReduceKind::l1:
      for (auto& v : x) v = v < T(0) ? -v : v;
      return folded(sum);
    case op::ReduceKind::l2:
    case op::ReduceKind::sum_square: {
      for (auto& v : x) v = v * v;
      const T squares = folded(sum);
      return kind == op::ReduceKind::l2 ? sqrt(squares) : squares;
    }
    case op::ReduceKind::log_sum:
      return log(folded(sum));
    case op::ReduceKind::log_sum_exp: {
      const T top = folded(most);
      for (auto& v : x) v = exp(v - top);
      return top + log(folded(sum));
    }
    case op::ReduceKind::mean:
      return folded(sum) / T(static_cast<double>(x.size()));
    case op::ReduceKind::sum:
      break;
  }
  return folded(sum);
}

template <class T>
void run(const op::Reduce& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  Shape kept = x.shape;
  Shape inner(x.shape);
  for (std::size_t d = 0; d < x.shape.rank(); ++d) inner[d] = 1;
  const auto gone = [&](std::size_t axis) {
    kept[axis] = 1;
    inner[axis] = x.shape[axis];
  };
  gone(x.shape.index(o.axis));
  for (auto axis : o.more) gone(axis);
  auto at = first_index(out.shape.rank());
  for_each_index(kept, [&](const Dims& i) {
    std::vector<T> values;
    for_each_index(inner, [&](const Dims& j) {
      Dims from = i;
      for (std::size_t d = 0; d < from.rank(); ++d) from[d] += j[d];
      values.push_back(x[from]);
    });
    out[at] = reduced(o.kind, values);
    (void)advance(at, out.shape);
  });
}

template <class T>
void run(const op::Embedding& o, const Operands<T>& in, const Strided<T>& out) {
  assert(in.index != nullptr);
  std::uint64_t next = 0;
  for_each_index(without_last(out.shape, 1), [&](const Dims& i) {
    const auto row = static_cast<std::uint64_t>(in.index[next++]);
    assert(row < o.rows);
    const auto to = row_of(out, i);
    for (std::uint64_t d = 0; d < o.dim; ++d) to[d] = in.weight[{row, d}];
  });
}

template <class T>
void run(const op::Gather& o, const Operands<T>& in, const Strided<T>& out) {
  assert(in.index != nullptr);
  const auto& table = in.inputs[0];
  for (std::uint64_t i = 0; i < o.count; ++i)
    for (std::uint64_t d = 0; d < table.shape[1]; ++d)
      out[{i, d}] = table[{static_cast<std::uint64_t>(in.index[i]), d}];
}

}  // namespace vitals::reference
