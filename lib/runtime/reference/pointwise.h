// The reference kernels of single elements, and of those that rotation pairs.
#pragma once

#include "runtime/reference/operands.h"

#include <cassert>
#include <vector>

namespace vitals::reference {

template <class T>
T truth(bool value) {
  return value ? T(1) : T(0);
}

template <class T>
T power(const T& x, const T& exponent) {
  using std::exp;
  using std::log;
  return exp(exponent * log(x));
}

// Truth values and whole numbers are numbers here, too.
template <class T>
T combined(op::BinaryKind kind, const T& a, const T& b) {
  using std::floor;
  switch (kind) {
    using enum op::BinaryKind;
    case add:
      return a + b;
    case sub:
      return a - b;
    case mul:
      return a * b;
    case div:
      return a / b;
    case pow:
      return power(a, b);
    case mod:
      return a - floor(a / b) * b;
    case min:
      return a < b ? a : b;
    case max:
      return a < b ? b : a;
    case prelu: {
      const T scaled = a * b;
      return a < T(0) ? scaled : a;
    }
    case equal:
      return truth<T>(a == b);
    case not_equal:
      return truth<T>(!(a == b));
    case less:
      return truth<T>(a < b);
    case less_equal:
      return truth<T>(!(b < a));
    case greater:
      return truth<T>(b < a);
    case greater_equal:
      return truth<T>(!(a < b));
    case logical_and:
    case logical_or:
    case logical_xor:
    case bitwise:
      break;  // of truth values and whole numbers, which never come here
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

// Elementary functions; the others are composed below.
template <class T>
T elementary(op::UnaryKind kind, const T& x) {
  using std::acos;
  using std::asin;
  using std::atan;
  using std::ceil;
  using std::cos;
  using std::erf;
  using std::exp;
  using std::floor;
  using std::log;
  using std::nearbyint;
  using std::sin;
  using std::sqrt;
  using std::tan;
  using std::tanh;
  switch (kind) {
    case op::UnaryKind::tanh:
      return tanh(x);
    case op::UnaryKind::exp:
      return exp(x);
    case op::UnaryKind::sin:
      return sin(x);
    case op::UnaryKind::cos:
      return cos(x);
    case op::UnaryKind::tan:
      return tan(x);
    case op::UnaryKind::asin:
      return asin(x);
    case op::UnaryKind::acos:
      return acos(x);
    case op::UnaryKind::atan:
      return atan(x);
    case op::UnaryKind::floor:
      return floor(x);
    case op::UnaryKind::ceil:
      return ceil(x);
    case op::UnaryKind::round:
      return nearbyint(x);
    case op::UnaryKind::sqrt:
      return sqrt(x);
    case op::UnaryKind::log:
      return log(x);
    case op::UnaryKind::erf:
      return erf(x);
    default:
      return x;
  }
}

// Kinds with a bend: `o.alpha` and `o.beta` are theirs.
template <class T>
T bent(const op::Unary& o, const T& x) {
  using std::exp;
  const T alpha = T(o.alpha);
  const T beta = T(o.beta);
  switch (o.kind) {
    case op::UnaryKind::relu:
      return larger(T(0), x);
    case op::UnaryKind::relu_squared: {
      const T y = larger(T(0), x);
      return y * y;
    }
    case op::UnaryKind::abs:
      return x < T(0) ? -x : x;
    case op::UnaryKind::sign: {
      const bool positive = T(0) < x;
      const bool negative = x < T(0);
      return positive ? T(1) : negative ? T(-1) : T(0);
    }
    case op::UnaryKind::clip: {
      const T y = x < alpha ? alpha : x;
      return beta < y ? beta : y;
    }
    case op::UnaryKind::leaky_relu: {
      const T scaled = alpha * x;
      return x < T(0) ? scaled : x;
    }
    case op::UnaryKind::elu: {
      const T y = alpha * (exp(x) - T(1));
      return T(0) < x ? x : y;
    }
    case op::UnaryKind::celu: {
      const T y = alpha * (exp(x / alpha) - T(1));
      return T(0) < x ? x : y;
    }
    case op::UnaryKind::selu: {
      const T y = alpha * (exp(x) - T(1));
      return beta * (T(0) < x ? x : y);
    }
    case op::UnaryKind::hard_sigmoid: {
      const T y = larger(T(0), alpha * x + beta);
      return y < T(1) ? y : T(1);
    }
    case op::UnaryKind::hard_swish: {
      const T y = larger(T(0), x * T(1.0 / 6) + T(0.5));
      return x * (y < T(1) ? y : T(1));
    }
    case op::UnaryKind::thresholded_relu:
      return alpha < x ? x : T(0);
    case op::UnaryKind::shrink: {
      const T lower = x + beta;
      const T upper = x - beta;
      const bool below = x < -alpha;
      const bool above = alpha < x;
      return below ? lower : above ? upper : T(0);
    }
    default:
      return x;
  }
}

// log(1 + exp(x)), which overflows nowhere.
template <class T>
T soft_plus(const T& x) {
  using std::exp;
  using std::log1p;
  const bool negative = x < T(0);
  return (negative ? T(0) : x) + log1p(exp(negative ? x : -x));
}

template <class T>
T activated(const op::Unary& o, const T& x) {
  using std::erf;
  using std::exp;
  using std::log;
  using std::sqrt;
  using std::tanh;
  switch (o.kind) {
    case op::UnaryKind::gelu:
      return T(0.5) * x * (T(1) + erf(x * T(0.70710678118654752440)));
    case op::UnaryKind::gelu_tanh:
      return T(0.5) * x * (T(1) + tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
    case op::UnaryKind::quick_gelu:
      return x / (T(1) + exp(T(-1.702) * x));
    case op::UnaryKind::silu:
      return x / (T(1) + exp(-x));
    case op::UnaryKind::sigmoid:
      return T(1) / (T(1) + exp(-x));
    case op::UnaryKind::softplus:
      return soft_plus(x);
    case op::UnaryKind::log_sigmoid:
      return -soft_plus(-x);
    case op::UnaryKind::mish:
      return x * tanh(soft_plus(x));
    case op::UnaryKind::sinh: {
      const T e = exp(x);
      return (e - T(1) / e) * T(0.5);
    }
    case op::UnaryKind::cosh: {
      const T e = exp(x);
      return (e + T(1) / e) * T(0.5);
    }
    case op::UnaryKind::asinh:
      return log(x + sqrt(x * x + T(1)));
    case op::UnaryKind::acosh:
      return log(x + sqrt(x * x - T(1)));
    case op::UnaryKind::atanh:
      return log((T(1) + x) / (T(1) - x)) * T(0.5);
    case op::UnaryKind::neg:
      return -x;
    case op::UnaryKind::reciprocal:
      return T(1) / x;
    case op::UnaryKind::rsqrt:
      return reciprocal_root(x);
    case op::UnaryKind::square:
      return x * x;
    case op::UnaryKind::power:
      return power(x, T(o.alpha));
    case op::UnaryKind::shift:
      return x + T(o.alpha);
    case op::UnaryKind::softsign:
      return x / (T(1) + (x < T(0) ? -x : x));
    default:
      return bent(o, elementary(o.kind, x));
  }
}

template <class T>
void run(const op::Unary& o, const Operands<T>& in, const Strided<T>& out) {
  elementwise(in, out, [&](const T& x) { return activated(o, x); });
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
