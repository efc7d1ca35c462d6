// What the reference kernels work on: a node's operands, and rows of them.
#pragma once

#include "graph/op_traits.h"
#include "runtime/program/strided.h"

#include <cassert>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>

namespace vitals {

// What a node computes from. Whole numbers and truth values are not of type T; they lie in `index`,
// contiguous: Embedding's ids, Gather's rows, ExpertLinear's choice, MaskedFill's mask.
template <class T>
struct Operands {
  std::span<const Strided<const T>> inputs;  // as node.inputs; those in `index` are empty
  Strided<const T> weight;                   // empty where the node has none
  Strided<const T> bias;
  const std::int64_t* index = nullptr;
  std::int64_t* chosen = nullptr;   // where TopK also writes where its values stand, unless null
  std::function<double()> uniform;  // draws from [0, 1) for Dropout, DropPath, Sdpa
};

namespace reference {

template <class T>
T larger(const T& a, const T& b) {
  return a < b ? b : a;
}

template <class T>
T reciprocal_root(const T& x) {
  using std::sqrt;
  return T(1) / sqrt(x);
}

// A vector along the last dimension.
template <class T>
struct Row {
  T* data;
  std::uint64_t stride;
  std::uint64_t size;
  T& operator[](std::uint64_t i) const { return data[i * stride]; }
};

template <class T>
Row<T> row_of(const Strided<T>& x, const Dims& index) {
  return {x.data + offset_of(index, without_last(x.strides, 1)), x.strides.at(-1), x.shape.at(-1)};
}

// The row of a parameter that belongs to `index`: mostly its only one, or one a head.
template <class T>
Row<const T> param_row(const Strided<const T>& p, const Dims& index) {
  const auto lead = without_last(p.shape, 1);
  return {p.data + broadcast_offset(index, lead, p.strides), p.strides.at(-1), p.shape.at(-1)};
}

// Calls visit(index, row of x, row of y) for every row.
template <class T, class F>
void for_each_row(const Strided<const T>& x, const Strided<T>& y, F&& visit) {
  for_each_index(without_last(x.shape, 1),
                 [&](const Dims& i) { visit(i, row_of(x, i), row_of(y, i)); });
}

// Calls visit(line of x, line of y) for every line along `axis`.
template <class T, class F>
void for_each_line(const Strided<const T>& x, const Strided<T>& y, int axis, F&& visit) {
  const auto along = x.shape.index(axis);
  Shape others = x.shape;
  others[along] = 1;
  for_each_index(others, [&](const Dims& i) {
    visit(Row<const T>{&x[i], x.strides[along], x.shape[along]},
          Row<T>{&y[i], y.strides[along], y.shape[along]});
  });
}

// a[0] * b[0] + a[1] * b[1] + ..., on top of `start` where there is one.
template <class T>
T dot(Row<const T> a, Row<const T> b, const T* start = nullptr) {
  T sum = start != nullptr ? *start + a[0] * b[0] : a[0] * b[0];
  for (std::uint64_t i = 1; i < a.size; ++i) sum = sum + a[i] * b[i];
  return sum;
}

template <class T>
T sum_of(Row<const T> x) {
  T sum = x[0];
  for (std::uint64_t i = 1; i < x.size; ++i) sum = sum + x[i];
  return sum;
}

template <class T>
Row<const T> constant(Row<T> x) {
  return {x.data, x.stride, x.size};
}

template <class T, class F>
void elementwise(const Operands<T>& in, const Strided<T>& out, F&& f) {
  const auto& x = in.inputs[0];
  for_each_index(out.shape, [&](const Dims& i) { out[i] = f(x[i]); });
}

// Elements in row-major order, whatever the two shapes are.
template <class T>
void copy(const Strided<const T>& x, const Strided<T>& y) {
  auto at = first_index(x.shape.rank());
  for_each_index(y.shape, [&](const Dims& i) {
    y[i] = x[at];
    (void)advance(at, x.shape);
  });
}

template <class T>
T kept(double rate, const std::function<double()>& uniform) {
  return T(uniform()) < T(1 - rate) ? T(1 / (1 - rate)) : T(0);
}

// Of an op without a kernel, which the runtime refuses before it comes here.
template <class O, class T>
requires(!kTraits<O>.reference) void run(const O&, const Operands<T>&, const Strided<T>&) {
  assert(false);
}

}  // namespace reference
}  // namespace vitals
