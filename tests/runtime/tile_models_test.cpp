// The packing and tiling of bf16 products against fp64, on models of the CPU's tile registers and
// dot products: so that a machine without these finds a mistake in them.
#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

#if defined(__x86_64__)

#define VITALS_ISA tile_model
#include "runtime/kernels/simd/vec_portable.h"
// Vec comes first: the headers below are written in terms of it.
#include "runtime/kernels/simd/amx_tile.h"
#include "runtime/kernels/simd/pair_tile.h"

#include <cstring>

using namespace vitals;
using namespace vitals::kernels;

namespace {

struct ModelTiles {
  static inline tile_model::TileConfig config;
  static inline unsigned char tiles[8][16][64];

  static void begin() {}
  static void end() {}
  static void set_rows(int rows) { tile_model::fill_config(config, rows); }
  template <int kTile>
  static void zero() {
    std::memset(tiles[kTile], 0, sizeof tiles[kTile]);
  }
  template <int kTile>
  static void load(const void* p, std::int64_t stride) {
    zero<kTile>();
    for (int r = 0; r < config.rows[kTile]; ++r) {
      std::memcpy(tiles[kTile][r], static_cast<const char*>(p) + r * stride,
                  config.row_bytes[kTile]);
    }
  }
  template <int kTile>
  static void store(void* p, std::int64_t stride) {
    for (int r = 0; r < config.rows[kTile]; ++r) {
      std::memcpy(static_cast<char*>(p) + r * stride, tiles[kTile][r], config.row_bytes[kTile]);
    }
  }
  static float bf16_at(int tile, int row, int i) {
    Bf16 v{};
    std::memcpy(&v, &tiles[tile][row][2 * i], 2);
    return to_float(v);
  }
  // TDPBF16PS: y[m][n] += x[m][2k] * w[k][2n] + x[m][2k+1] * w[k][2n+1]
  template <int kY, int kX, int kW>
  static void multiply() {
    REQUIRE(config.rows[kY] == config.rows[kX]);
    for (int m = 0; m < config.rows[kY]; ++m) {
      for (int n = 0; n < 16; ++n) {
        float y = 0;
        std::memcpy(&y, &tiles[kY][m][4 * n], 4);
        for (int k = 0; k < 16; ++k) {
          y += bf16_at(kX, m, 2 * k) * bf16_at(kW, k, 2 * n) +
               bf16_at(kX, m, 2 * k + 1) * bf16_at(kW, k, 2 * n + 1);
        }
        std::memcpy(&tiles[kY][m][4 * n], &y, 4);
      }
    }
  }
  static void prefetch(const char*) {}
};

// VDPBF16PS and VCVTNE2PS2BF16 of four lanes.
struct ModelDot {
  using Reg = tile_model::Reg;

  static float half(float pair, int i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &pair, 4);
    return to_float({static_cast<std::uint16_t>(bits >> (16 * i))});
  }
  static Reg pairs(Reg low, Reg high) {
    Bf16 both[8];
    for (int i = 0; i < 4; ++i) {
      both[i] = to_bf16(low[i]);
      both[4 + i] = to_bf16(high[i]);
    }
    Reg r;
    std::memcpy(&r, both, sizeof r);
    return r;
  }
  static Reg add(Reg x, Reg w, Reg y) {
    for (int i = 0; i < 4; ++i) {
      y[i] += half(x[i], 0) * half(w[i], 0) + half(x[i], 1) * half(w[i], 1);
    }
    return y;
  }
};

// Elements of y that are not the sum of products of x and w as bf16, NaN where nothing was written.
int wrong_elements(const GemmKernel& kernel, Random& random, int rows, int columns,
                   std::int64_t depth) {
  const std::int64_t padded =
      (depth + kernel.depth_step - 1) / kernel.depth_step * kernel.depth_step;
  Sample x = random.sample(rows * depth, rows % 2 == 0 ? Element::kF32 : Element::kBf16);
  Sample w = random.sample(columns * depth, Element::kF32);
  std::vector<Bf16> a(static_cast<std::size_t>(rows * padded));
  std::vector<Bf16> b(static_cast<std::size_t>(kernel.panel * padded));
  kernel.pack_a(x.data(), x.type, depth, rows, depth, 1.0f, a.data());
  kernel.pack_b(w.f32.data(), depth, 1, columns, depth, b.data());
  std::vector<float> c(static_cast<std::size_t>(rows * kernel.panel), NAN);
  // In two parts, the second on top of the first.
  const std::int64_t half = padded / (2 * kernel.depth_step) * kernel.depth_step;
  for (const std::int64_t part : {std::int64_t{0}, half}) {
    TileJob job;
    job.rows = rows;
    job.depth = part == 0 && half > 0 ? half : padded - part;
    job.a = a.data() + part * rows;
    job.b = b.data() + part * kernel.panel;
    job.c = c.data();
    job.c_stride = kernel.panel;
    job.accumulate = part > 0;
    kernel.tile(job);
    if (half == 0) break;
  }
  int wrong = 0;
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < kernel.panel; ++j) {
      double want = 0;
      for (std::int64_t k = 0; k < depth && j < columns; ++k) {
        const auto xv = static_cast<float>(x.exact[static_cast<std::size_t>(i * depth + k)]);
        const float wv = w.f32[static_cast<std::size_t>(j * depth + k)];
        want +=
            static_cast<double>(to_float(to_bf16(xv))) * static_cast<double>(to_float(to_bf16(wv)));
      }
      const auto got = static_cast<double>(c[static_cast<std::size_t>(i * kernel.panel + j)]);
      if (!close(got, want, 1e-4, Element::kF32)) ++wrong;
    }
  }
  return wrong;
}

void check_every_height(const GemmKernel& kernel) {
  Random random(1);
  for (int round = 0; round < 3; ++round) {
    for (int rows = 1; rows <= kernel.tile_rows; ++rows) {
      const std::int64_t depth = random.integer(1, 150);
      const int columns = static_cast<int>(random.integer(1, kernel.panel));
      INFO("rows ", rows, " depth ", depth, " columns ", columns);
      CHECK(wrong_elements(kernel, random, rows, columns, depth) == 0);
    }
  }
}

}  // namespace

TEST_CASE("AMX tiles of every height, on the model") {
  check_every_height(tile_model::amx_gemm_kernel<ModelTiles>());
}

TEST_CASE("tiles of pairs of every height, on the model") {
  check_every_height(tile_model::pair_gemm_kernel<ModelDot>());
}

#endif
