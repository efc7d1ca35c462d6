// Eight floats in an AVX register (with FMA), behind the names that every simd/ header uses.
// Only for translation units compiled with these instructions; everything is inlined.
#pragma once

#include "runtime/kernels/element.h"

#include <cstdint>
#include <immintrin.h>

namespace vitals::kernels::VITALS_ISA {

#define VITALS_INLINE [[gnu::always_inline]] static inline

struct Vec {
  using Reg = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kRegisters = 16;

  VITALS_INLINE __m256i mask(std::int64_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
  }
  VITALS_INLINE Reg zero() { return _mm256_setzero_ps(); }
  VITALS_INLINE Reg set(float x) { return _mm256_set1_ps(x); }
  VITALS_INLINE Reg load(const float* p) { return _mm256_loadu_ps(p); }
  VITALS_INLINE Reg load(const float* p, std::int64_t n) { return _mm256_maskload_ps(p, mask(n)); }
  VITALS_INLINE void store(float* p, Reg v) { _mm256_storeu_ps(p, v); }
  VITALS_INLINE void store(float* p, Reg v, std::int64_t n) { _mm256_maskstore_ps(p, mask(n), v); }

  VITALS_INLINE Reg widen(__m128i v) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
  }
  VITALS_INLINE Reg load(const Bf16* p) {
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  VITALS_INLINE Reg load(const Bf16* p, std::int64_t n) {
    alignas(16) Bf16 part[8] = {};
    for (std::int64_t i = 0; i < n; ++i) part[i].bits = p[i].bits;
    return load(part);
  }
  VITALS_INLINE __m128i narrow(Reg v) {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    rounded = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
  }
  VITALS_INLINE void store(Bf16* p, Reg v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(v));
  }
  VITALS_INLINE void store(Bf16* p, Reg v, std::int64_t n) {
    alignas(16) Bf16 part[8];
    store(part, v);
    for (std::int64_t i = 0; i < n; ++i) p[i].bits = part[i].bits;
  }

  VITALS_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  // On a NaN the second operand is the result, as the instruction has it.
  VITALS_INLINE Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  VITALS_INLINE Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  VITALS_INLINE float sum(Reg v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  VITALS_INLINE float largest(Reg v) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
  }
  // 2^k for a float whose low mantissa bits hold k + 127 (see math.h).
  VITALS_INLINE Reg exponent_bits(Reg v) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(v), 23));
  }
  VITALS_INLINE Reg divide(Reg a, Reg b) { return _mm256_div_ps(a, b); }

  // Turns rows into columns: r[i][j] becomes r[j][i].
  VITALS_INLINE void transpose(Reg* r) {
    Reg t[8];
    for (int i = 0; i < 8; i += 4) {
      const Reg a = _mm256_unpacklo_ps(r[i], r[i + 1]);
      const Reg b = _mm256_unpackhi_ps(r[i], r[i + 1]);
      const Reg c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
      const Reg d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
      t[i] = _mm256_shuffle_ps(a, c, 0x44);
      t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
      t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
      t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int j = 0; j < 4; ++j) {
      r[j] = _mm256_permute2f128_ps(t[j], t[j + 4], 0x20);
      r[j + 4] = _mm256_permute2f128_ps(t[j], t[j + 4], 0x31);
    }
  }
  VITALS_INLINE void prefetch(const char* p) { _mm_prefetch(p, _MM_HINT_T1); }
};

}  // namespace vitals::kernels::VITALS_ISA
