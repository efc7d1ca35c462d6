// exp, erf, tanh and the activations on vectors. Compiled once per instruction set: VITALS_ISA
// names the namespace, and Vec must be defined before. Must not include anything with inline code
// that other translation units share.
#pragma once

#include "runtime/kernels/kernel_table.h"

namespace vitals::kernels::VITALS_ISA {

using Reg = Vec::Reg;

// e^x to 2 ulp; exactly 0 below -87.7 (so that masked scores vanish), about 2.4e38 above 88.3.
VITALS_INLINE Reg exp(Reg x) {
  x = Vec::min(Vec::set(88.37f), Vec::max(Vec::set(-88.02f), x));
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits; 127 more makes
  // those bits the exponent field of 2^n.
  const Reg shift = Vec::set(12582912.0f + 127.0f);
  const Reg t = Vec::fma(x, Vec::set(1.44269504f), shift);
  const Reg n = t - shift;
  Reg r = Vec::fma(n, Vec::set(-0.693359375f), x);
  r = Vec::fma(n, Vec::set(2.12194440e-4f), r);
  // Taylor: |r| <= ln(2)/2, the first term left out is below 6e-9.
  Reg p = Vec::set(1.0f / 5040);
  p = Vec::fma(p, r, Vec::set(1.0f / 720));
  p = Vec::fma(p, r, Vec::set(1.0f / 120));
  p = Vec::fma(p, r, Vec::set(1.0f / 24));
  p = Vec::fma(p, r, Vec::set(1.0f / 6));
  p = Vec::fma(p, r, Vec::set(0.5f));
  p = Vec::fma(p, r, Vec::set(1.0f));
  p = Vec::fma(p, r, Vec::set(1.0f));
  return p * Vec::exponent_bits(t);
}

// erf to 3e-7 absolute: x P(x^2) / Q(x^2), a minimax fit on |x| <= 3.92 (beyond, 1 in fp32) by
// iteratively reweighted least squares.
VITALS_INLINE Reg erf(Reg x) {
  x = Vec::min(Vec::set(3.92f), Vec::max(Vec::set(-3.92f), x));
  const Reg t = x * x;
  Reg p = Vec::set(2.034669880e-06f);
  p = Vec::fma(p, t, Vec::set(2.874604782e-04f));
  p = Vec::fma(p, t, Vec::set(3.867934506e-03f));
  p = Vec::fma(p, t, Vec::set(5.305927252e-02f));
  p = Vec::fma(p, t, Vec::set(1.927563093e-01f));
  p = Vec::fma(p, t, Vec::set(1.128379023e+00f));
  Reg q = Vec::set(3.806896050e-05f);
  q = Vec::fma(q, t, Vec::set(1.188000197e-03f));
  q = Vec::fma(q, t, Vec::set(1.517153119e-02f));
  q = Vec::fma(q, t, Vec::set(1.150812450e-01f));
  q = Vec::fma(q, t, Vec::set(5.041575029e-01f));
  q = Vec::fma(q, t, Vec::set(1.0f));
  return Vec::divide(x * p, q);
}

VITALS_INLINE Reg sigmoid(Reg x) {
  return Vec::divide(Vec::set(1.0f), Vec::set(1.0f) + exp(Vec::set(0.0f) - x));
}

VITALS_INLINE Reg tanh(Reg x) {
  // The clamp keeps the quotient's denominator normal; tanh(10) is 1 in fp32.
  x = Vec::min(Vec::set(10.0f), Vec::max(Vec::set(-10.0f), x));
  const Reg e = exp(x + x);
  const Reg one = Vec::set(1.0f);
  return one - Vec::divide(Vec::set(2.0f), e + one);
}

// GELU is 0 to fp32 accuracy from here down; a larger factor would only magnify erf's last bit.
constexpr float kGeluFloor = -6.0f;

template <Activation kActivation>
VITALS_INLINE Reg activate(Reg x) {
  const Reg half = Vec::set(0.5f);
  switch (kActivation) {
    case Activation::kIdentity:
      return x;
    case Activation::kRelu:
      return Vec::max(Vec::set(0.0f), x);
    case Activation::kGelu: {
      const Reg h = half * Vec::max(Vec::set(kGeluFloor), x);
      return Vec::fma(h, erf(x * Vec::set(0.70710678118654752f)), h);
    }
    case Activation::kGeluTanh: {
      // sqrt(2/pi) * (x + 0.044715 x^3)
      const Reg c = Vec::fma(x * x, Vec::set(0.035677408136300125f), Vec::set(0.7978845608028654f));
      const Reg h = half * Vec::max(Vec::set(kGeluFloor), x);
      return Vec::fma(h, tanh(x * c), h);
    }
    case Activation::kQuickGelu:
      return x * sigmoid(Vec::set(1.702f) * x);
    case Activation::kSilu:
      return x * sigmoid(x);
    case Activation::kTanh:
      return tanh(x);
    case Activation::kSigmoid:
      return sigmoid(x);
  }
  return x;
}

// Calls body.run<activation>() for the activation's value at run time.
template <class Body>
VITALS_INLINE void with_activation(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::kIdentity:
      return body.template run<Activation::kIdentity>();
    case Activation::kRelu:
      return body.template run<Activation::kRelu>();
    case Activation::kGelu:
      return body.template run<Activation::kGelu>();
    case Activation::kGeluTanh:
      return body.template run<Activation::kGeluTanh>();
    case Activation::kQuickGelu:
      return body.template run<Activation::kQuickGelu>();
    case Activation::kSilu:
      return body.template run<Activation::kSilu>();
    case Activation::kTanh:
      return body.template run<Activation::kTanh>();
    case Activation::kSigmoid:
      return body.template run<Activation::kSigmoid>();
  }
}

// Calls body(column, count) for each vector of `columns`; the last may be short.
template <class Body>
VITALS_INLINE void each_vector(std::int64_t columns, const Body& body) {
  std::int64_t i = 0;
  for (; i + Vec::kLanes <= columns; i += Vec::kLanes) body(i, std::int64_t{Vec::kLanes});
  if (i < columns) body(i, columns - i);
}

template <class T>
VITALS_INLINE Reg load(const T* p, std::int64_t count) {
  return count == Vec::kLanes ? Vec::load(p) : Vec::load(p, count);
}

template <class T>
VITALS_INLINE void store(T* p, Reg v, std::int64_t count) {
  if (count == Vec::kLanes) {
    Vec::store(p, v);
  } else {
    Vec::store(p, v, count);
  }
}

// A vector at element `index` of an array whose type is known at run time only.
VITALS_INLINE Reg load_as(const void* data, Element type, std::int64_t index, std::int64_t count) {
  return type == Element::kF32 ? load(static_cast<const float*>(data) + index, count)
                               : load(static_cast<const Bf16*>(data) + index, count);
}

VITALS_INLINE void store_as(void* data, Element type, std::int64_t index, Reg v,
                            std::int64_t count) {
  if (type == Element::kF32) {
    store(static_cast<float*>(data) + index, v, count);
  } else {
    store(static_cast<Bf16*>(data) + index, v, count);
  }
}

template <class Row>
VITALS_INLINE std::int64_t row_start(const Row& rows, std::int64_t r) {
  if (rows.inner <= 1) return r * rows.stride;
  return (r / rows.inner) * rows.stride + (r % rows.inner) * rows.inner_stride;
}

}  // namespace vitals::kernels::VITALS_ISA
