// The reference kernels of single elements, and of those that rotation pairs.
#pragma once

#include "runtime/reference/operands.h"

#include <cassert>
#include <vector>

namespace vitals::reference {

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
void run(const op::MaskedFill& o, const Operands<T>& in, const Strided<T>& out) {
  assert(in.index != nullptr);
  const auto& mask = in.inputs[1].shape;
  const auto strides = contiguous_strides(mask);
  for_each_index(out.shape, [&](const Dims& i) {
    const bool marked = in.index[broadcast_offset(i, mask, strides)] != 0;
    out[i] = marked ? T(o.value) : in.inputs[0][i];
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

}  // namespace vitals::reference
