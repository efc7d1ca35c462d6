// The AMX kernel's packing and tiling against fp64, on a model of the tile registers: so that a
// machine without AMX finds a mistake in them.
#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

#if defined(__x86_64__)

#define VITALS_ISA amx_model
#include "runtime/kernels/simd/vec_portable.h"
// Vec comes first: the header below is written in terms of it.
#include "runtime/kernels/simd/amx_tile.h"

#include <cstring>

using namespace vitals;
using namespace vitals::kernels;

namespace {

struct ModelTiles {
  static inline amx_model::TileConfig config;
  static inline unsigned char tiles[8][16][64];

  static void begin() {}
  static void end() {}
  static void set_rows(int rows) { amx_model::fill_config(config, rows); }
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

}  // namespace

TEST_CASE("AMX tiles of every height, on the model") {
  const GemmKernel kernel = amx_model::amx_gemm_kernel<ModelTiles>();
  Random random(1);
  for (int rows = 1; rows <= 32; ++rows) {
    const std::int64_t depth = random.integer(1, 150);
    const std::int64_t padded = (depth + 31) / 32 * 32;
    const int columns = static_cast<int>(random.integer(1, 32));
    Sample x = random.sample(rows * depth, rows % 2 == 0 ? Element::kF32 : Element::kBf16);
    Sample w = random.sample(columns * depth, Element::kF32);
    std::vector<Bf16> a(static_cast<std::size_t>(rows * padded));
    std::vector<Bf16> b(static_cast<std::size_t>(32 * padded));
    kernel.pack_a(x.data(), x.type, depth, rows, depth, 1.0f, a.data());
    kernel.pack_b(w.f32.data(), depth, 1, columns, depth, b.data());
    std::vector<float> c(static_cast<std::size_t>(rows) * 32, NAN);
    // In two parts, the second on top of the first.
    const std::int64_t half = padded / 64 * 32;
    for (const std::int64_t part : {std::int64_t{0}, half}) {
      TileJob job;
      job.rows = rows;
      job.depth = part == 0 && half > 0 ? half : padded - part;
      job.a = a.data() + part * rows;
      job.b = b.data() + part * 32;
      job.c = c.data();
      job.c_stride = 32;
      job.accumulate = part > 0;
      kernel.tile(job);
      if (half == 0) break;
    }
    int wrong = 0;
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < 32; ++j) {
        double want = 0;
        for (std::int64_t k = 0; k < depth && j < columns; ++k) {
          const auto xv = static_cast<float>(x.exact[static_cast<std::size_t>(i * depth + k)]);
          const float wv = w.f32[static_cast<std::size_t>(j * depth + k)];
          want += static_cast<double>(to_float(to_bf16(xv))) *
                  static_cast<double>(to_float(to_bf16(wv)));
        }
        const double got =
            static_cast<double>(c[static_cast<std::size_t>(i) * 32 + static_cast<std::size_t>(j)]);
        if (!close(got, want, 1e-4, Element::kF32)) ++wrong;
      }
    }
    INFO("rows ", rows, " depth ", depth, " columns ", columns);
    CHECK(wrong == 0);
  }
}

#endif
