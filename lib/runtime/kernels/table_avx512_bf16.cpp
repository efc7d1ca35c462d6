// The kernels for CPUs with AVX512_BF16: the AVX-512 table, but bf16 products two at a time.
#define VITALS_ISA avx512_bf16
#include "runtime/kernels/simd/vec_avx512.h"
// Vec comes first: the header below is written in terms of it.
#include "runtime/kernels/simd/pair_tile.h"

namespace vitals::kernels {
namespace {

struct CpuDot {
  using Reg = avx512_bf16::Reg;
  // bf16 of two registers, one behind the other.
  VITALS_INLINE Reg pairs(Reg low, Reg high) {
    return reinterpret_cast<Reg>(_mm512_cvtne2ps_pbh(high, low));
  }
  VITALS_INLINE Reg add(Reg x, Reg w, Reg y) {
    return _mm512_dpbf16_ps(y, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }
};

}  // namespace

const KernelTable& avx512_bf16_table() {
  static const KernelTable table = [] {
    KernelTable t = avx512_table();
    t.isa = Isa::kAvx512Bf16;
    t.gemm_bf16 = avx512_bf16::pair_gemm_kernel<CpuDot>();
    t.peak_bf16 = avx512_bf16::peak<avx512_bf16::Pairs<CpuDot>>;
    return t;
  }();
  return table;
}

}  // namespace vitals::kernels
