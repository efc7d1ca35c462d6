// The devices that vitals knows by name, from specs/devices.json (embedded in the program). Knows
// no model.
#pragma once

#include "core/count.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

struct DeviceSpec {
  std::string name;      // "a100-80gb"
  std::string title;     // "NVIDIA A100 80 GB"
  Count memory;          // bytes; what is sold as 24 GB holds 24 * 2^30
  double bandwidth = 0;  // of that memory, bytes/s
  // FLOP/s of matrix products by the operands' type (fp32, tf32, fp16, bf16, fp8): dense, summed up
  // in fp32, as frameworks run them; fp32 without tensor cores.
  std::map<std::string, double> peaks;
  std::string source;
};

[[nodiscard]] const std::vector<DeviceSpec>& devices();
// Null when there is none.
[[nodiscard]] const DeviceSpec* find_device(std::string_view name);
[[nodiscard]] std::vector<std::string> device_names();

// What a step may take: "24GB" (10^9), "24GiB" (2^30), "80000MB", or a device's name. Of a named
// device a tenth is left to the CUDA context and to what the allocator cannot use. Throws Error.
struct MemoryBudget {
  Count bytes;
  std::string text;
};
[[nodiscard]] MemoryBudget memory_budget(const std::string& text);

}  // namespace vitals
