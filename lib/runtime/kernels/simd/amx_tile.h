// bf16 products in AMX tiles: packing of rows and weights, and a 32 x 32 tile of y from four tile
// registers. Written over a Tiles type (the CPU's registers, or the model of them in the tests,
// so that the layout is checked on machines without AMX). Must not know of threads or epilogues.
#pragma once

#include "runtime/kernels/kernel_table.h"

namespace vitals::kernels::VITALS_ISA {

constexpr int kAmxPanel = 32;
constexpr int kAmxRows = 32;
constexpr int kAmxStep = 32;  // depth of one tile product: 16 pairs

// Palette 1, as the CPU reads it from memory.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Registers 0-3: y, 4-5: rows of x, 6-7: weights. Heights of the two halves of the tile's rows.
constexpr int upper_rows(int rows) { return rows > 16 ? (rows + 1) / 2 : rows; }

inline void fill_config(TileConfig& config, int rows) {
  const int upper = upper_rows(rows);
  const int lower = rows - upper > 0 ? rows - upper : 1;
  const int heights[8] = {upper, upper, lower, lower, upper, lower, 16, 16};
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = static_cast<std::uint8_t>(heights[i]);
    config.row_bytes[i] = 64;
  }
}

template <class Tiles, bool kTwoHalves>
void amx_steps(const TileJob& job) {
  const int upper = upper_rows(job.rows);
  const char* a = static_cast<const char*>(job.a);
  const char* b = static_cast<const char*>(job.b);
  const std::int64_t c_bytes = job.c_stride * 4;
  float* lower = job.c + upper * job.c_stride;
  if (job.accumulate) {
    Tiles::template load<0>(job.c, c_bytes);
    Tiles::template load<1>(job.c + 16, c_bytes);
    if constexpr (kTwoHalves) Tiles::template load<2>(lower, c_bytes);
    if constexpr (kTwoHalves) Tiles::template load<3>(lower + 16, c_bytes);
  } else {
    Tiles::template zero<0>();
    Tiles::template zero<1>();
    if constexpr (kTwoHalves) Tiles::template zero<2>();
    if constexpr (kTwoHalves) Tiles::template zero<3>();
  }
  const char* next = job.prefetch;
  const int lines = job.prefetch_lines * (kAmxStep / 4);
  for (std::int64_t k = 0; k < job.depth; k += kAmxStep) {
    for (int line = 0; line < lines; ++line, next += 64) Tiles::prefetch(next);
    Tiles::template load<6>(b, 64);
    Tiles::template load<4>(a, 64);
    Tiles::template load<7>(b + 1024, 64);
    Tiles::template multiply<0, 4, 6>();
    Tiles::template multiply<1, 4, 7>();
    if constexpr (kTwoHalves) {
      Tiles::template load<5>(a + std::int64_t{64} * upper, 64);
      Tiles::template multiply<2, 5, 6>();
      Tiles::template multiply<3, 5, 7>();
    }
    a += std::int64_t{64} * job.rows;
    b += 2048;
  }
  Tiles::template store<0>(job.c, c_bytes);
  Tiles::template store<1>(job.c + 16, c_bytes);
  if constexpr (kTwoHalves) Tiles::template store<2>(lower, c_bytes);
  if constexpr (kTwoHalves) Tiles::template store<3>(lower + 16, c_bytes);
}

template <class Tiles>
void amx_tile(const TileJob& job) {
  Tiles::set_rows(job.rows);
  if (job.rows > 16) {
    amx_steps<Tiles, true>(job);
  } else {
    amx_steps<Tiles, false>(job);
  }
}

// [depth / 32][rows][32]: each tile register reads one contiguous piece.
template <class T>
VITALS_INLINE void amx_pack_rows(const T* x, std::int64_t stride, int rows, std::int64_t depth,
                                 float scale, Bf16* out) {
  const Vec::Reg factor = Vec::set(scale);
  for (std::int64_t k = 0; k < depth; k += kAmxStep) {
    for (int r = 0; r < rows; ++r, out += kAmxStep) {
      const T* from = x + r * stride + k;
      for (int i = 0; i < kAmxStep; i += Vec::kLanes) {
        std::int64_t n = depth - k - i;
        n = n < 0 ? 0 : (n > Vec::kLanes ? Vec::kLanes : n);
        Vec::store(out + i, Vec::load(from + i, n) * factor);
      }
    }
  }
}

inline void amx_pack_a(const void* x, Element type, std::int64_t stride, int rows,
                       std::int64_t depth, float scale, void* out) {
  if (type == Element::kF32) {
    amx_pack_rows(static_cast<const float*>(x), stride, rows, depth, scale,
                  static_cast<Bf16*>(out));
  } else {
    amx_pack_rows(static_cast<const Bf16*>(x), stride, rows, depth, scale, static_cast<Bf16*>(out));
  }
}

// [depth / 32][column half][pair of depth][16 columns][2]
inline void amx_pack_b(const float* w, std::int64_t n_stride, std::int64_t k_stride, int columns,
                       std::int64_t depth, void* out) {
  Bf16* to = static_cast<Bf16*>(out);
  for (std::int64_t k = 0; k < depth; k += kAmxStep) {
    for (std::int64_t half = 0; half < 2; ++half) {
      for (std::int64_t i = 0; i < std::int64_t{kAmxStep} * 16; ++i, ++to) {
        const std::int64_t depth_at = k + i / 32 * 2 + i % 2;
        const std::int64_t column = half * 16 + i % 32 / 2;
        const bool inside = depth_at < depth && column < columns;
        *to = to_bf16(inside ? w[column * n_stride + depth_at * k_stride] : 0.0f);
      }
    }
  }
}

template <class Tiles>
inline GemmKernel amx_gemm_kernel() {
  return {kAmxRows,   kAmxPanel,       kAmxStep,     2,         2, amx_pack_a,
          amx_pack_b, amx_tile<Tiles>, Tiles::begin, Tiles::end};
}

}  // namespace vitals::kernels::VITALS_ISA
