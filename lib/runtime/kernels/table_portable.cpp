// The kernels compiled for one instruction set; see kernel_table.h.
#define VITALS_ISA portable
#include "runtime/kernels/simd/vec_portable.h"
// Vec comes first: the headers below are written in terms of it.
#include "runtime/kernels/kernel_table.h"
#include "runtime/kernels/simd/gemm_tile.h"
#include "runtime/kernels/simd/rows.h"

namespace vitals::kernels {

const KernelTable& portable_table() {
  using namespace VITALS_ISA;
  static const KernelTable table = {Isa::kPortable,
                                    gemm_kernel_f32(),
                                    gemm_kernel_bf16(),
                                    finish_tile,
                                    VITALS_ISA::transpose,
                                    softmax_tile,
                                    softmax,
                                    norm,
                                    unary,
                                    binary,
                                    mean,
                                    rope,
                                    peak_f32,
                                    peak_f32,
                                    read_sum};
  return table;
}

}  // namespace vitals::kernels
