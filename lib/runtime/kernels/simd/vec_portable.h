// Four floats in the compiler's own vector type: any CPU. The names that every simd/ header uses.
// Must not include an instruction set's header.
#pragma once

#include "runtime/kernels/element.h"

#include <cstdint>

namespace vitals::kernels::VITALS_ISA {

#define VITALS_INLINE [[gnu::always_inline]] static inline

struct Vec {
  using Reg = float __attribute__((vector_size(16)));
  using Int = std::int32_t __attribute__((vector_size(16)));
  static constexpr int kLanes = 4;
  static constexpr int kRegisters = 16;

  VITALS_INLINE Reg zero() { return Reg{0, 0, 0, 0}; }
  VITALS_INLINE Reg set(float x) { return Reg{x, x, x, x}; }
  VITALS_INLINE Reg load(const float* p) {
    Reg v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  VITALS_INLINE Reg load(const float* p, std::int64_t n) {
    Reg v = zero();
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
  }
  VITALS_INLINE void store(float* p, Reg v) { __builtin_memcpy(p, &v, sizeof v); }
  VITALS_INLINE void store(float* p, Reg v, std::int64_t n) {
    for (int i = 0; i < n; ++i) p[i] = v[i];
  }
  VITALS_INLINE Reg load(const Bf16* p) { return load(p, kLanes); }
  VITALS_INLINE Reg load(const Bf16* p, std::int64_t n) {
    Reg v = zero();
    for (int i = 0; i < n; ++i) v[i] = to_float(p[i]);
    return v;
  }
  VITALS_INLINE void store(Bf16* p, Reg v) { store(p, v, kLanes); }
  VITALS_INLINE void store(Bf16* p, Reg v, std::int64_t n) {
    for (int i = 0; i < n; ++i) p[i] = to_bf16(v[i]);
  }

  VITALS_INLINE Reg fma(Reg a, Reg b, Reg c) { return a * b + c; }
  // On a NaN the second operand is the result, as in the x86 instructions.
  VITALS_INLINE Reg max(Reg a, Reg b) { return choose(a > b, a, b); }
  VITALS_INLINE Reg min(Reg a, Reg b) { return choose(a < b, a, b); }
  VITALS_INLINE Reg choose(Int where, Reg a, Reg b) {
    return reinterpret_cast<Reg>((where & reinterpret_cast<Int>(a)) |
                                 (~where & reinterpret_cast<Int>(b)));
  }
  VITALS_INLINE float sum(Reg v) { return (v[0] + v[2]) + (v[1] + v[3]); }
  VITALS_INLINE float largest(Reg v) {
    float m = v[0];
    for (int i = 1; i < 4; ++i) m = m > v[i] ? m : v[i];
    return m;
  }
  // 2^k for a float whose low mantissa bits hold k + 127 (see math.h).
  VITALS_INLINE Reg exponent_bits(Reg v) {
    return reinterpret_cast<Reg>(reinterpret_cast<Int>(v) << 23);
  }
  VITALS_INLINE Reg divide(Reg a, Reg b) { return a / b; }

  // Turns rows into columns: r[i][j] becomes r[j][i].
  VITALS_INLINE void transpose(Reg* r) {
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < i; ++j) {
        const float x = r[i][j];
        r[i][j] = r[j][i];
        r[j][i] = x;
      }
    }
  }
  VITALS_INLINE void prefetch(const char* p) { __builtin_prefetch(p); }
};

}  // namespace vitals::kernels::VITALS_ISA
