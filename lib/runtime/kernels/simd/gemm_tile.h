// The register-blocked multiply: a packed tile of rows times a packed panel of weights, with fp32
// accumulation; weights fp32 or bf16 (widened as they are loaded). And the packing of both.
// Compiled once per instruction set; must not know of threads, blocking or epilogues.
#pragma once

#include "runtime/kernels/simd/math.h"

namespace vitals::kernels::VITALS_ISA {

constexpr int kPanel = 2 * Vec::kLanes;
// Accumulators fill the registers but for two of weights and one or two of x.
constexpr int kTileRows = Vec::kRegisters == 32 ? 14 : (Vec::kLanes == 8 ? 6 : 4);

template <int kRows, class Weight>
VITALS_INLINE void tile_steps(int steps, const float* a, const Weight* b, Reg (&acc)[kRows][2]) {
#pragma GCC unroll 4
  for (int s = 0; s < steps; ++s) {
    const Reg b0 = Vec::load(b + s * kPanel);
    const Reg b1 = Vec::load(b + s * kPanel + Vec::kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Reg x = Vec::set(a[s * kRows + i]);
      acc[i][0] = Vec::fma(x, b0, acc[i][0]);
      acc[i][1] = Vec::fma(x, b1, acc[i][1]);
    }
  }
}

template <int kRows, class Weight>
void tile_of(const TileJob& job) {
  const float* a = static_cast<const float*>(job.a);
  const Weight* b = static_cast<const Weight*>(job.b);
  Reg acc[kRows][2];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    const float* c = job.c + i * job.c_stride;
    acc[i][0] = job.accumulate ? Vec::load(c) : Vec::zero();
    acc[i][1] = job.accumulate ? Vec::load(c + Vec::kLanes) : Vec::zero();
  }
  const char* next = job.prefetch;
  std::int64_t k = 0;
  for (; k + 4 <= job.depth; k += 4) {
    for (int line = 0; line < job.prefetch_lines; ++line, next += 64) Vec::prefetch(next);
    tile_steps<kRows>(4, a, b, acc);
    a += std::int64_t{4} * kRows;
    b += std::int64_t{4} * kPanel;
  }
  for (; k < job.depth; ++k) {
    tile_steps<kRows>(1, a, b, acc);
    a += kRows;
    b += kPanel;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    Vec::store(job.c + i * job.c_stride, acc[i][0]);
    Vec::store(job.c + i * job.c_stride + Vec::kLanes, acc[i][1]);
  }
}

template <class Weight>
void tile(const TileJob& job) {
  switch (job.rows) {
    case 1:
      return tile_of<1, Weight>(job);
    case 2:
      return tile_of<2, Weight>(job);
    case 3:
      return tile_of<3, Weight>(job);
    case 4:
      return tile_of<4, Weight>(job);
    default:
      break;
  }
  if constexpr (kTileRows >= 6) {
    switch (job.rows) {
      case 5:
        return tile_of<5, Weight>(job);
      case 6:
        return tile_of<6, Weight>(job);
      default:
        break;
    }
  }
  if constexpr (kTileRows >= 14) {
    switch (job.rows) {
      case 7:
        return tile_of<7, Weight>(job);
      case 8:
        return tile_of<8, Weight>(job);
      case 9:
        return tile_of<9, Weight>(job);
      case 10:
        return tile_of<10, Weight>(job);
      case 11:
        return tile_of<11, Weight>(job);
      case 12:
        return tile_of<12, Weight>(job);
      case 13:
        return tile_of<13, Weight>(job);
      case 14:
        return tile_of<14, Weight>(job);
      default:
        break;
    }
  }
}

// One block of up to kLanes rows by kLanes columns, turned.
template <class T>
VITALS_INLINE void transpose_block(const T* x, std::int64_t stride, std::int64_t rows,
                                   std::int64_t columns, Reg scale, float* out,
                                   std::int64_t out_stride) {
  Reg r[Vec::kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < Vec::kLanes; ++i) {
    r[i] = i < rows ? load(x + i * stride, columns) * scale : Vec::zero();
  }
  Vec::transpose(r);
  if (rows == Vec::kLanes && columns == Vec::kLanes) {
#pragma GCC unroll 16
    for (int k = 0; k < Vec::kLanes; ++k) Vec::store(out + k * out_stride, r[k]);
    return;
  }
#pragma GCC unroll 16
  for (int k = 0; k < Vec::kLanes; ++k) {
    if (k < columns) store(out + k * out_stride, r[k], rows);
  }
}

template <class T>
void transpose_rows(const T* x, std::int64_t stride, std::int64_t rows, std::int64_t depth,
                    float scale, float* out, std::int64_t out_stride) {
  const Reg factor = Vec::set(scale);
  for (std::int64_t i = 0; i < rows; i += Vec::kLanes) {
    const std::int64_t height = rows - i < Vec::kLanes ? rows - i : Vec::kLanes;
    for (std::int64_t k = 0; k < depth; k += Vec::kLanes) {
      const std::int64_t width = depth - k < Vec::kLanes ? depth - k : Vec::kLanes;
      transpose_block(x + i * stride + k, stride, height, width, factor, out + k * out_stride + i,
                      out_stride);
    }
  }
}

inline void transpose(const void* x, Element type, std::int64_t stride, std::int64_t rows,
                      std::int64_t depth, float scale, float* out, std::int64_t out_stride) {
  if (type == Element::kF32) {
    transpose_rows(static_cast<const float*>(x), stride, rows, depth, scale, out, out_stride);
  } else {
    transpose_rows(static_cast<const Bf16*>(x), stride, rows, depth, scale, out, out_stride);
  }
}

inline void pack_a(const void* x, Element type, std::int64_t stride, int rows, std::int64_t depth,
                   float scale, void* out) {
  transpose(x, type, stride, rows, depth, scale, static_cast<float*>(out), rows);
}

inline void pack_b_f32(const float* w, std::int64_t n_stride, std::int64_t k_stride, int columns,
                       std::int64_t depth, void* out) {
  float* to = static_cast<float*>(out);
  for (std::int64_t k = 0; k < depth; ++k) {
    for (int n = 0; n < kPanel; ++n) {
      to[k * kPanel + n] = n < columns ? w[n * n_stride + k * k_stride] : 0.0f;
    }
  }
}

inline void pack_b_bf16(const float* w, std::int64_t n_stride, std::int64_t k_stride, int columns,
                        std::int64_t depth, void* out) {
  Bf16* to = static_cast<Bf16*>(out);
  for (std::int64_t k = 0; k < depth; ++k) {
    for (int n = 0; n < kPanel; ++n) {
      to[k * kPanel + n] = to_bf16(n < columns ? w[n * n_stride + k * k_stride] : 0.0f);
    }
  }
}

struct FinishTile {
  const float* c;
  int c_stride;
  int rows;
  std::int64_t columns;
  const TileEpilogue& e;

  template <Activation kActivation>
  VITALS_INLINE void vector(const FinishTile& f, int r, std::int64_t j, std::int64_t n) {
    const TileEpilogue& e = f.e;
    Reg v = load(f.c + std::int64_t{r} * f.c_stride + j, n);
    if (e.bias != nullptr) v = v + load(e.bias + j, n);
    v = activate<kActivation>(v);
    if (e.multiplier != nullptr) {
      v = v * load_as(e.multiplier, e.multiplier_type, r * e.multiplier_stride + j, n);
    }
    if (e.gamma != nullptr) v = v * load(e.gamma + j, n);
    if (e.residual != nullptr) {
      v = v + load_as(e.residual, e.residual_type, r * e.residual_stride + j, n);
    }
    store_as(e.out, e.out_type, r * e.out_stride + j, v, n);
  }

  template <Activation kActivation>
  void run() const {
    for (int r = 0; r < rows; ++r) {
      std::int64_t j = 0;
      for (; j + Vec::kLanes <= columns; j += Vec::kLanes) {
        vector<kActivation>(*this, r, j, Vec::kLanes);
      }
      if (j < columns) vector<kActivation>(*this, r, j, columns - j);
    }
  }
};

inline void finish_tile(const float* c, int c_stride, int rows, std::int64_t columns,
                        const TileEpilogue& epilogue) {
  with_activation(epilogue.activation, FinishTile{c, c_stride, rows, columns, epilogue});
}

inline GemmKernel gemm_kernel_f32() {
  return {kTileRows, kPanel, 1, 4, 4, pack_a, pack_b_f32, tile<float>, nullptr, nullptr};
}

inline GemmKernel gemm_kernel_bf16() {
  return {kTileRows, kPanel, 1, 4, 2, pack_a, pack_b_bf16, tile<Bf16>, nullptr, nullptr};
}

}  // namespace vitals::kernels::VITALS_ISA
