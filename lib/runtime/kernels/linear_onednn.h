// The dense layer by oneDNN's matmul: weights in the layout that the library chooses, bias,
// activation, gate, LayerScale and residual as its post-ops.
#pragma once

#include "runtime/kernels/backend.h"

namespace vitals {

// Its threads are OpenMP's, so that the process has one pool. Cannot be opened where the library is
// missing, or was missing when vitals was built.
[[nodiscard]] Backend onednn_backend();

}  // namespace vitals
