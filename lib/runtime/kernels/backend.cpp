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

const Backend& fastest_backend() {
  // Our own kernels beat the others wherever they were measured; without AVX2 we have only a plain
  // loop in 128-bit vectors, and a library may know this CPU better.
  const auto& all = backends();
  if (best_isa() != Isa::kPortable) return all.front();
  const auto other =
      std::find_if(all.begin() + 1, all.end(), [](const Backend& b) { return available(b); });
  return other == all.end() ? all.front() : *other;
}

}  // namespace vitals
