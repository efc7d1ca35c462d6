// The kernels compiled for one instruction set; see kernel_table.h.
#define VITALS_ISA portable
#include "runtime/kernels/simd/vec_portable.h"
// Vec comes first: the table's kernels are written in terms of it.
#include "runtime/kernels/simd/table.h"

namespace vitals::kernels {

const KernelTable& portable_table() {
  static const KernelTable table = VITALS_ISA::kernel_table(Isa::kPortable);
  return table;
}

}  // namespace vitals::kernels
