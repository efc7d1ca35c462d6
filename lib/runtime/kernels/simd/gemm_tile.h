// The register-blocked multiply: a packed tile of rows times a packed panel of weights, with fp32
// accumulation, written over a Product: what one step multiplies. And the packing of both for
// weights of fp32 or bf16 that are widened as they are loaded.
// Compiled once per instruction set; must not know of threads, blocking or epilogues.
#pragma once

#include "runtime/kernels/simd/math.h"

namespace vitals::kernels::VITALS_ISA {

constexpr int kPanel = 2 * Vec::kLanes;
// Accumulators fill the registers but for two of weights and one or two of x.
constexpr int kTileRows = Vec::kRegisters == 32 ? 14 : (Vec::kLanes == 8 ? 6 : 4);

// fp32 products, one depth a step.
template <class W>
struct Widened {
  using Weight = W;
  static constexpr int kDepth = 1;
  VITALS_INLINE Reg add(Reg x, Reg w, Reg y) { return Vec::fma(x, w, y); }
};

template <int kRows, class Product>
VITALS_INLINE void tile_steps(int steps, const float* a, const typename Product::Weight* b,
                              Reg (&acc)[kRows][2]) {
#pragma GCC unroll 4
  for (int s = 0; s < steps; ++s) {
    const Reg b0 = Vec::load(b + s * kPanel);
    const Reg b1 = Vec::load(b + s * kPanel + Vec::kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Reg x = Vec::set(a[s * kRows + i]);
      acc[i][0] = Product::add(x, b0, acc[i][0]);
      acc[i][1] = Product::add(x, b1, acc[i][1]);
    }
  }
}

template <int kRows, class Product>
void tile_of(const TileJob& job) {
  constexpr int kFourSteps = 4 * Product::kDepth;
  const float* a = static_cast<const float*>(job.a);
  const auto* b = static_cast<const typename Product::Weight*>(job.b);
  Reg acc[kRows][2];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    const float* c = job.c + i * job.c_stride;
    acc[i][0] = job.accumulate ? Vec::load(c) : Vec::zero();
    acc[i][1] = job.accumulate ? Vec::load(c + Vec::kLanes) : Vec::zero();
  }
  const char* next = job.prefetch;
  const int lines = job.prefetch_lines * Product::kDepth;
  std::int64_t k = 0;
  for (; k + kFourSteps <= job.depth; k += kFourSteps) {
    for (int line = 0; line < lines; ++line, next += 64) Vec::prefetch(next);
    tile_steps<kRows, Product>(4, a, b, acc);
    a += std::int64_t{4} * kRows;
    b += std::int64_t{4} * kPanel;
  }
  for (; k < job.depth; k += Product::kDepth) {
    tile_steps<kRows, Product>(1, a, b, acc);
    a += kRows;
    b += kPanel;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    Vec::store(job.c + i * job.c_stride, acc[i][0]);
    Vec::store(job.c + i * job.c_stride + Vec::kLanes, acc[i][1]);
  }
}

template <class Product>
void tile(const TileJob& job) {
  switch (job.rows) {
    case 1:
      return tile_of<1, Product>(job);
    case 2:
      return tile_of<2, Product>(job);
    case 3:
      return tile_of<3, Product>(job);
    case 4:
      return tile_of<4, Product>(job);
    default:
      break;
  }
  if constexpr (kTileRows >= 6) {
    switch (job.rows) {
      case 5:
        return tile_of<5, Product>(job);
      case 6:
        return tile_of<6, Product>(job);
      default:
        break;
    }
  }
  if constexpr (kTileRows >= 14) {
    switch (job.rows) {
      case 7:
        return tile_of<7, Product>(job);
      case 8:
        return tile_of<8, Product>(job);
      case 9:
        return tile_of<9, Product>(job);
      case 10:
        return tile_of<10, Product>(job);
      case 11:
        return tile_of<11, Product>(job);
      case 12:
        return tile_of<12, Product>(job);
      case 13:
        return tile_of<13, Product>(job);
      case 14:
        return tile_of<14, Product>(job);
      default:
        break;
    }
  }
}

// Stores the columns of up to kLanes rows as rows.
VITALS_INLINE void store_turned(Reg (&r)[Vec::kLanes], std::int64_t rows, std::int64_t columns,
                                float* out, std::int64_t out_stride) {
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
  store_turned(r, rows, columns, out, out_stride);
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

// Products from registers alone; returns the FLOPs done.
template <class Product>
double peak(std::int64_t iterations) {
  constexpr int kChains = Vec::kRegisters == 32 ? 24 : 12;
  Reg acc[kChains];
#pragma GCC unroll 32
  for (int i = 0; i < kChains; ++i) acc[i] = Vec::set(static_cast<float>(i));
  Reg x = Vec::set(0.5f);
  for (std::int64_t n = 0; n < iterations; ++n) {
    asm volatile("" : "+m"(*const_cast<std::int64_t*>(&n)));
#pragma GCC unroll 32
    for (Reg& chain : acc) chain = Product::add(chain, x, x);
  }
  Reg total = Vec::zero();
#pragma GCC unroll 32
  for (const Reg& chain : acc) total = total + chain;
  volatile float sink = Vec::sum(total);
  (void)sink;
  return 2.0 * kChains * Vec::kLanes * Product::kDepth * static_cast<double>(iterations);
}

inline GemmKernel gemm_kernel_f32() {
  return {kTileRows, kPanel, 1, 4, 4, pack_a, pack_b_f32, tile<Widened<float>>, nullptr, nullptr};
}

inline GemmKernel gemm_kernel_bf16() {
  return {kTileRows, kPanel, 1, 4, 2, pack_a, pack_b_bf16, tile<Widened<Bf16>>, nullptr, nullptr};
}

}  // namespace vitals::kernels::VITALS_ISA
