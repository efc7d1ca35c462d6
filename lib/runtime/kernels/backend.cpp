#include "runtime/kernels/backend.h"

#include "runtime/kernels/isa.h"
#include "runtime/kernels/linear_native.h"
#include "runtime/kernels/linear_onednn.h"

#include <algorithm>
#include <stdexcept>

namespace vitals {

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all = {native_backend(), onednn_backend()};
  return all;
}

bool available(const Backend& backend) {
  try {
    (void)backend.open();
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

const Backend& fastest_backend(Element precision) {
  // Our own kernels beat the others wherever they were measured, in both precisions; without AVX2
  // we have only a plain loop in 128-bit vectors, and a library may know this CPU better. But no
  // library was seen to multiply bf16 on such a CPU.
  const auto& all = backends();
  if (best_isa() != Isa::kPortable || precision == Element::kBf16) return all.front();
  const auto other =
      std::find_if(all.begin() + 1, all.end(), [](const Backend& b) { return available(b); });
  return other == all.end() ? all.front() : *other;
}

}  // namespace vitals
