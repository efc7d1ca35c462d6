// The kernels of runtime/reference.h, one overload an op. Included through it.
#pragma once

#include "graph/op.h"
#include "runtime/strided.h"

#include <cassert>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

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
void run(const op::Input&, const Operands<T>&, const Strided<T>&) {}
template <class T>
void run(const op::Parameter&, const Operands<T>&, const Strided<T>&) {}
template <class T>
void run(const op::Constant&, const Operands<T>&, const Strided<T>&) {}

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

// One output of a convolution over [B, C, H, W]; what lies outside of the image is zero.
template <class T>
T conv_at(const op::Conv& o, const Operands<T>& in, const Dims& i) {
  const auto& x = in.inputs[0];
  const auto& w = in.weight;
  const auto channels = o.in / o.groups;
  const auto first_channel = i[1] / (o.out / o.groups) * channels;
  const bool flat = o.spatial_dims == 1;
  T sum = in.bias.empty() ? T(0) : in.bias.data[i[1] * in.bias.strides[0]];
  bool begun = !in.bias.empty();
  for (std::uint64_t c = 0; c < channels; ++c)
    for (std::uint64_t ky = 0; ky < o.kernel[0]; ++ky)
      for (std::uint64_t kx = 0; kx < o.kernel[1]; ++kx) {
        // Unsigned: a position above or left of the image wraps and so is beyond it as well.
        const auto py = (flat ? 0 : i[2]) * o.stride[0] + ky - o.padding[0];
        const auto px = i[flat ? 2 : 3] * o.stride[1] + kx - o.padding[1];
        const bool inside = (flat || py < x.shape[2]) && px < x.shape[flat ? 2 : 3];
        const Dims at =
            flat ? Dims{i[0], first_channel + c, px} : Dims{i[0], first_channel + c, py, px};
        const Dims tap = flat ? Dims{i[1], c, kx} : Dims{i[1], c, ky, kx};
        const T product = (inside ? x[at] : T(0)) * w[tap];
        sum = begun ? sum + product : product;
        begun = true;
      }
  return sum;
}

template <class T>
void run(const op::Conv& o, const Operands<T>& in, const Strided<T>& out) {
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
T kept(double rate, const std::function<double()>& uniform) {
  return T(uniform()) < T(1 - rate) ? T(1 / (1 - rate)) : T(0);
}

// Where the keys, or values, of a query begin: heads may be shared by groups of query heads.
template <class T>
const T* keys_of(const Strided<const T>& k, const Shape& q, const Dims& batch) {
  std::uint64_t offset = 0;
  for (std::size_t d = 0; d < batch.rank(); ++d)
    offset += batch[d] / (q[d] / k.shape[d]) * k.strides[d];
  return k.data + offset;
}

// The weights of one query over all keys, and over the sink where there is one, into `row`.
template <class T>
void attention_row(const op::Sdpa& o, const Operands<T>& in, const Dims& at, std::vector<T>& row) {
  const auto& q = in.inputs[0];
  const auto& k = in.inputs[1];
  const auto keys = k.shape.at(-2);
  const auto* first_key = keys_of(k, q.shape, without_last(at, 1));
  for (std::uint64_t j = 0; j < keys; ++j) {
    const Row<const T> key{first_key + j * k.strides.at(-2), k.strides.at(-1), k.shape.at(-1)};
    row[j] = dot(row_of(q, at), key) * T(o.scale);
    Dims pair = at;
    pair.push_back(j);
    if (o.bias)
      row[j] = row[j] +
               in.inputs[3].data[broadcast_offset(pair, in.inputs[3].shape, in.inputs[3].strides)];
    if (o.causal && j + q.shape.at(-2) > at.at(-1) + keys)
      row[j] = T(-std::numeric_limits<double>::infinity());
  }
  if (o.sinks) row[keys] = in.inputs[in.inputs.size() - 1][{at.at(-2)}];
  softmax_row(Row<const T>{row.data(), 1, row.size()}, Row<T>{row.data(), 1, row.size()});
  for (std::uint64_t j = 0; j < keys && o.dropout > 0; ++j)
    row[j] = row[j] * kept<T>(o.dropout, in.uniform);
}

template <class T>
void run(const op::Sdpa& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& v = in.inputs[2];
  const auto keys = v.shape.at(-2);
  std::vector<T> row(keys + (o.sinks ? 1 : 0), T(0));
  for_each_index(without_last(out.shape, 1), [&](const Dims& at) {
    attention_row(o, in, at, row);
    const auto* values = keys_of(v, in.inputs[0].shape, without_last(at, 1));
    const auto y = row_of(out, at);
    for (std::uint64_t e = 0; e < y.size; ++e)
      y[e] = dot(Row<const T>{row.data(), 1, keys},
                 Row<const T>{values + e * v.strides.at(-1), v.strides.at(-2), keys});
  });
}

template <class T>
T combined(op::BinaryKind kind, const T& a, const T& b) {
  switch (kind) {
    case op::BinaryKind::add:
      return a + b;
    case op::BinaryKind::sub:
      return a - b;
    case op::BinaryKind::mul:
      return a * b;
    case op::BinaryKind::div:
      return a / b;
  }
  return a;
}

template <class T>
void run(const op::Binary& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& a = in.inputs[0];
  const auto& b = in.inputs[1];
  for_each_index(out.shape, [&](const Dims& i) {
    out[i] = combined(o.kind, a.data[broadcast_offset(i, a.shape, a.strides)],
                      b.data[broadcast_offset(i, b.shape, b.strides)]);
  });
}

template <class T>
void run(const op::Scale& o, const Operands<T>& in, const Strided<T>& out) {
  elementwise(in, out, [&](const T& x) { return x * T(o.factor); });
}

template <class T>
T activated(op::ActivationKind kind, const T& x) {
  using std::cos;
  using std::erf;
  using std::exp;
  using std::log1p;
  using std::sin;
  using std::tanh;
  switch (kind) {
    case op::ActivationKind::gelu:
      return T(0.5) * x * (T(1) + erf(x * T(0.70710678118654752440)));
    case op::ActivationKind::gelu_tanh:
      return T(0.5) * x * (T(1) + tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
    case op::ActivationKind::quick_gelu:
      return x / (T(1) + exp(T(-1.702) * x));
    case op::ActivationKind::silu:
      return x / (T(1) + exp(-x));
    case op::ActivationKind::relu:
      return larger(T(0), x);
    case op::ActivationKind::relu_squared: {
      const T y = larger(T(0), x);
      return y * y;
    }
    case op::ActivationKind::tanh:
      return tanh(x);
    case op::ActivationKind::sigmoid:
      return T(1) / (T(1) + exp(-x));
    case op::ActivationKind::softplus: {
      const bool negative = x < T(0);
      return (negative ? T(0) : x) + log1p(exp(negative ? x : -x));
    }
    case op::ActivationKind::exp:
      return exp(x);
    case op::ActivationKind::sin:
      return sin(x);
    case op::ActivationKind::cos:
      return cos(x);
  }
  return x;
}

template <class T>
void run(const op::Activation& o, const Operands<T>& in, const Strided<T>& out) {
  elementwise(in, out, [&](const T& x) { return activated(o.kind, x); });
}

template <class T>
void run(const op::Softmax&, const Operands<T>& in, const Strided<T>& out) {
  for_each_row(in.inputs[0], out, [](const Dims&, Row<const T> x, Row<T> y) { softmax_row(x, y); });
}

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
void run(const op::MaskedFill& o, const Operands<T>& in, const Strided<T>& out) {
  assert(in.index != nullptr);
  const auto& mask = in.inputs[1].shape;
  const auto strides = contiguous_strides(mask);
  for_each_index(out.shape, [&](const Dims& i) {
    const bool marked = in.index[broadcast_offset(i, mask, strides)] != 0;
    out[i] = marked ? T(o.value) : in.inputs[0][i];
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

template <class T>
void run(const op::Dropout& o, const Operands<T>& in, const Strided<T>& out) {
  elementwise(in, out, [&](const T& x) { return x * kept<T>(o.rate, in.uniform); });
}

template <class T>
void run(const op::DropPath& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  std::vector<T> factors;
  for (std::uint64_t i = 0; i < out.shape[0]; ++i) factors.push_back(kept<T>(o.rate, in.uniform));
  for_each_index(out.shape, [&](const Dims& i) { out[i] = x[i] * factors[i[0]]; });
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

// The feature that rotation pairs with feature d, and whether its sign changes.
struct RopePartner {
  std::uint64_t feature;
  bool negative;
};
inline RopePartner rope_partner(const op::Rope& o, std::uint64_t d) {
  if (!o.half) return d % 2 == 0 ? RopePartner{d + 1, true} : RopePartner{d - 1, false};
  const auto middle = o.dim / 2;
  return d < middle ? RopePartner{d + middle, true} : RopePartner{d - middle, false};
}

template <class T>
void run(const op::Rope& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& x = in.inputs[0];
  const auto& table = in.inputs[1];
  const auto passed = x.shape.at(-1) - o.dim;
  for_each_index(out.shape, [&](const Dims& i) {
    const auto last = i.rank() - 1;
    if (i[last] < passed) {
      out[i] = x[i];
      return;
    }
    const auto d = i[last] - passed;
    const auto partner = rope_partner(o, d);
    Dims at = i;
    at[last] = passed + partner.feature;
    const T rotated = partner.negative ? -x[at] : x[at];
    at[last] = d;
    const T& sine = table.data[broadcast_offset(at, table.shape, table.strides)];
    at[last] = o.dim + d;
    const T& cosine = table.data[broadcast_offset(at, table.shape, table.strides)];
    out[i] = x[i] * cosine + rotated * sine;
  });
}

}  // namespace reference
}  // namespace vitals
