// Sixteen floats in an AVX-512 register, behind the names that every simd/ header uses.
// Only for translation units compiled with these instructions; everything is inlined.
#pragma once

// GCC 12's own header leaves a register undefined on purpose and then warns of it (PR 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "runtime/kernels/element.h"

#include <cstdint>
#include <immintrin.h>

namespace vitals::kernels::VITALS_ISA {

#define VITALS_INLINE [[gnu::always_inline]] static inline

struct Vec {
  using Reg = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kRegisters = 32;

  VITALS_INLINE __mmask16 mask(std::int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
  VITALS_INLINE Reg zero() { return _mm512_setzero_ps(); }
  VITALS_INLINE Reg set(float x) { return _mm512_set1_ps(x); }
  VITALS_INLINE Reg load(const float* p) { return _mm512_loadu_ps(p); }
  VITALS_INLINE Reg load(const float* p, std::int64_t n) {
    return _mm512_maskz_loadu_ps(mask(n), p);
  }
  VITALS_INLINE void store(float* p, Reg v) { _mm512_storeu_ps(p, v); }
  VITALS_INLINE void store(float* p, Reg v, std::int64_t n) {
    _mm512_mask_storeu_ps(p, mask(n), v);
  }

  VITALS_INLINE Reg widen(__m256i v) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
  }
  VITALS_INLINE Reg load(const Bf16* p) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  VITALS_INLINE Reg load(const Bf16* p, std::int64_t n) {
    return widen(_mm256_maskz_loadu_epi16(mask(n), p));
  }
  VITALS_INLINE __m256i narrow(Reg v) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
  }
  VITALS_INLINE void store(Bf16* p, Reg v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(v));
  }
  VITALS_INLINE void store(Bf16* p, Reg v, std::int64_t n) {
    _mm256_mask_storeu_epi16(p, mask(n), narrow(v));
  }

  VITALS_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  // On a NaN the second operand is the result, as the instruction has it.
  VITALS_INLINE Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  VITALS_INLINE Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  VITALS_INLINE float sum(Reg v) { return _mm512_reduce_add_ps(v); }
  VITALS_INLINE float largest(Reg v) { return _mm512_reduce_max_ps(v); }
  // 2^k for a float whose low mantissa bits hold k + 127 (see math.h).
  VITALS_INLINE Reg exponent_bits(Reg v) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(v), 23));
  }
  VITALS_INLINE Reg divide(Reg a, Reg b) {
    // A division of 16 lanes blocks the unit for 16 cycles; an estimate and one Newton step reach
    // 1e-7 relative in five instructions. b is finite, positive and normal wherever this is used.
    const Reg r = _mm512_rcp14_ps(b);
    const Reg e = _mm512_fnmadd_ps(b, r, _mm512_set1_ps(1.0f));
    const Reg q = _mm512_mul_ps(a, _mm512_fmadd_ps(r, e, r));
    return q;
  }

  // Turns rows into columns: r[i][j] becomes r[j][i].
  VITALS_INLINE void transpose(Reg* r) {
    Reg t[16];
    for (int i = 0; i < 16; i += 4) {
      const Reg a = _mm512_unpacklo_ps(r[i], r[i + 1]);
      const Reg b = _mm512_unpackhi_ps(r[i], r[i + 1]);
      const Reg c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]);
      const Reg d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
      t[i] = _mm512_shuffle_ps(a, c, 0x44);
      t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
      t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
      t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int j = 0; j < 4; ++j) {
      const Reg a = _mm512_shuffle_f32x4(t[j], t[j + 4], 0x88);
      const Reg b = _mm512_shuffle_f32x4(t[j], t[j + 4], 0xdd);
      const Reg c = _mm512_shuffle_f32x4(t[j + 8], t[j + 12], 0x88);
      const Reg d = _mm512_shuffle_f32x4(t[j + 8], t[j + 12], 0xdd);
      r[j] = _mm512_shuffle_f32x4(a, c, 0x88);
      r[j + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
      r[j + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
      r[j + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
  }
  VITALS_INLINE void prefetch(const char* p) { _mm_prefetch(p, _MM_HINT_T1); }
};

}  // namespace vitals::kernels::VITALS_ISA
