// The kernels for CPUs with AMX: those for AVX-512 with bf16, but bf16 products in tile registers.
#define VITALS_ISA amx
#include "runtime/kernels/simd/vec_avx512.h"
// Vec comes first: the header below is written in terms of it.
#include "runtime/kernels/simd/amx_tile.h"

namespace vitals::kernels {
namespace {

// The CPU's tile registers. A worker configures them when the height of its tiles changes.
struct CpuTiles {
  static thread_local int configured_rows;

  static void begin() { configured_rows = 0; }
  static void end() { _tile_release(); }
  static void set_rows(int rows) {
    if (rows == configured_rows) return;
    amx::TileConfig config;
    amx::fill_config(config, rows);
    _tile_loadconfig(&config);
    configured_rows = rows;
  }
  // GCC 12's intrinsics are macros over literal register numbers, hence the instructions by name.
  // The "memory" clobbers keep packing and finishing on their side of the tile accesses.
  template <int kTile>
  VITALS_INLINE void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  VITALS_INLINE void load(const void* p, std::int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  VITALS_INLINE void store(void* p, std::int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kY, int kX, int kW>
  VITALS_INLINE void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kY), "i"(kX), "i"(kW));
  }
  VITALS_INLINE void prefetch(const char* p) { _mm_prefetch(p, _MM_HINT_T1); }
};

thread_local int CpuTiles::configured_rows = 0;

double peak_bf16(std::int64_t iterations) {
  CpuTiles::begin();
  CpuTiles::set_rows(32);
  CpuTiles::zero<0>();
  CpuTiles::zero<1>();
  CpuTiles::zero<2>();
  CpuTiles::zero<3>();
  CpuTiles::zero<4>();
  CpuTiles::zero<5>();
  CpuTiles::zero<6>();
  CpuTiles::zero<7>();
  for (std::int64_t i = 0; i < iterations; ++i) {
    CpuTiles::multiply<0, 4, 6>();
    CpuTiles::multiply<1, 4, 7>();
    CpuTiles::multiply<2, 5, 6>();
    CpuTiles::multiply<3, 5, 7>();
  }
  CpuTiles::end();
  return 4 * 2.0 * 16 * 16 * 32 * static_cast<double>(iterations);
}

}  // namespace

const KernelTable& amx_table() {
  static const KernelTable table = [] {
    KernelTable t = avx512_bf16_table();
    t.isa = Isa::kAmx;
    t.gemm_bf16 = amx::amx_gemm_kernel<CpuTiles>();
    t.peak_bf16 = peak_bf16;
    return t;
  }();
  return table;
}

}  // namespace vitals::kernels
