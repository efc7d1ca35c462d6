// bf16 products of pairs: the tile of gemm_tile.h over dot products of two bf16 with an fp32 sum,
// and the packing of rows and weights in pairs. A pair stands where a float would. Written over a
// Dot type (the CPU's instructions, or the model of them in the tests, so that the layout is
// checked on machines without them). Must not know of threads, blocking or epilogues.
#pragma once

#include "runtime/kernels/simd/gemm_tile.h"

namespace vitals::kernels::VITALS_ISA {

template <class Dot>
struct Pairs {
  using Weight = float;
  static constexpr int kDepth = 2;
  VITALS_INLINE Reg add(Reg x, Reg w, Reg y) { return Dot::add(x, w, y); }
};

// Up to kLanes elements; none of the missing ones is read.
template <class T>
VITALS_INLINE Reg load_some(const T* p, std::int64_t count) {
  return load(p, count < 0 ? 0 : (count > Vec::kLanes ? Vec::kLanes : count));
}

// [depth / 2][rows][2]
template <class Dot, class T>
void pair_rows(const T* x, std::int64_t stride, std::int64_t rows, std::int64_t depth, float scale,
               float* out) {
  const Reg factor = Vec::set(scale);
  const std::int64_t pairs = (depth + 1) / 2;
  for (std::int64_t i = 0; i < rows; i += Vec::kLanes) {
    const std::int64_t height = rows - i < Vec::kLanes ? rows - i : Vec::kLanes;
    for (std::int64_t k = 0; k < pairs; k += Vec::kLanes) {
      const std::int64_t width = pairs - k < Vec::kLanes ? pairs - k : Vec::kLanes;
      Reg r[Vec::kLanes];
#pragma GCC unroll 16
      for (int j = 0; j < Vec::kLanes; ++j) {
        const T* from = x + (i + j) * stride + 2 * k;
        const std::int64_t left = j < height ? depth - 2 * k : 0;
        r[j] = Dot::pairs(load_some(from, left) * factor,
                          load_some(from + Vec::kLanes, left - Vec::kLanes) * factor);
      }
      store_turned(r, height, width, out + k * rows + i, rows);
    }
  }
}

template <class Dot>
void pair_pack_a(const void* x, Element type, std::int64_t stride, int rows, std::int64_t depth,
                 float scale, void* out) {
  float* to = static_cast<float*>(out);
  if (type == Element::kF32) {
    pair_rows<Dot>(static_cast<const float*>(x), stride, rows, depth, scale, to);
  } else {
    pair_rows<Dot>(static_cast<const Bf16*>(x), stride, rows, depth, scale, to);
  }
}

// [depth / 2][panel][2]
inline void pair_pack_b(const float* w, std::int64_t n_stride, std::int64_t k_stride, int columns,
                        std::int64_t depth, void* out) {
  Bf16* to = static_cast<Bf16*>(out);
  for (std::int64_t k = 0; k < depth; k += 2) {
    for (int n = 0; n < kPanel; ++n) {
      for (std::int64_t i = k; i < k + 2; ++i, ++to) {
        *to = to_bf16(n < columns && i < depth ? w[n * n_stride + i * k_stride] : 0.0f);
      }
    }
  }
}

template <class Dot>
GemmKernel pair_gemm_kernel() {
  return {kTileRows,   kPanel,           2,       2,      2, pair_pack_a<Dot>,
          pair_pack_b, tile<Pairs<Dot>>, nullptr, nullptr};
}

}  // namespace vitals::kernels::VITALS_ISA
