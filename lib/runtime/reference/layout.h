// The reference kernels of what stands elsewhere afterwards, is looked up, chosen or reduced, and
// of the leaves.
#pragma once

#include "runtime/reference/operands.h"

#include <cassert>
#include <numeric>
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
  for_each_row(in.inputs[0], out, [&](const Dims&, Row<const T> x, Row<T> y) {
    std::vector<std::uint64_t> left(x.size);
    std::iota(left.begin(), left.end(), std::uint64_t{0});
    for (std::uint64_t i = 0; i < o.k; ++i) {
      auto best = left.begin();
      for (auto other = best + 1; other < left.end(); ++other)
        if (x[*best] < x[*other]) best = other;
      y[i] = x[*best];
      if (in.chosen != nullptr) in.chosen[row * o.k + i] = static_cast<std::int64_t>(*best);
      left.erase(best);
    }
    ++row;
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
  shape[axis] = o.length;
  copy({x.data + o.start * x.strides[axis], shape, x.strides}, out);
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
T reduced(op::ReduceKind kind, Row<const T> x) {
  if (kind == op::ReduceKind::max) {
    T top = x[0];
    for (std::uint64_t i = 1; i < x.size; ++i) top = larger(top, x[i]);
    return top;
  }
  const T sum = sum_of(x);
  return kind == op::ReduceKind::mean ? sum / T(static_cast<double>(x.size)) : sum;
}

template <class T>
void run(const op::Reduce& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  const auto axis = x.shape.index(o.axis);
  for_each_index(out.shape, [&](const Dims& i) {
    Dims from;  // the output's index with the axis at 0
    for (std::size_t d = 0, next = 0; d < x.shape.rank(); ++d) {
      if (d == axis && !o.keep)
        from.push_back(0);
      else
        from.push_back(i[next++]);
    }
    out[i] = reduced(o.kind, Row<const T>{&x[from], x.strides[axis], x.shape[axis]});
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
