// All kernels of one instruction set. Included once a translation unit, after VITALS_ISA and the
// Vec of that set are defined; everything stands in the set's own namespace.
#pragma once

#include "runtime/kernels/kernel_table.h"
#include "runtime/kernels/simd/depthwise.h"
#include "runtime/kernels/simd/gemm_tile.h"
#include "runtime/kernels/simd/rows.h"

namespace vitals::kernels::VITALS_ISA {

inline KernelTable kernel_table(Isa isa) {
  return {isa,
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
          depthwise,
          peak<Widened<float>>,
          peak<Widened<float>>,
          read_sum};
}

}  // namespace vitals::kernels::VITALS_ISA
