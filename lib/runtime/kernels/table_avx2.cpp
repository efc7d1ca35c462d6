// The kernels compiled for one instruction set; see kernel_table.h.
#define VITALS_ISA avx2
#include "runtime/kernels/simd/vec_avx2.h"
// Vec comes first: the table's kernels are written in terms of it.
#include "runtime/kernels/simd/table.h"

namespace vitals::kernels {

const KernelTable& avx2_table() {
  static const KernelTable table = VITALS_ISA::kernel_table(Isa::kAvx2);
  return table;
}

}  // namespace vitals::kernels
