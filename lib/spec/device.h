// The devices that vitals knows by name, from specs/devices.json (embedded in the program), and
// those of a user's own file. Knows no model.
#pragma once

#include "core/count.h"
#include "core/machine.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

struct DeviceSpec {
  std::string name;             // "a100-80gb"
  std::string title;            // "NVIDIA A100 80 GB"
  std::optional<Count> memory;  // bytes; what is sold as 24 GB holds 24 * 2^30. A CPU states none
  Machine machine;
  std::string source;
};

[[nodiscard]] const std::vector<DeviceSpec>& devices();
// Null when there is none.
[[nodiscard]] const DeviceSpec* find_device(std::string_view name);
[[nodiscard]] std::vector<std::string> device_names();

// The known devices and those of a file in the format of specs/devices.json, which win. Throws
// Error that names the file and the place.
[[nodiscard]] std::vector<DeviceSpec> devices_with(const std::string& path);

// What a step may take: "24GB" (10^9), "24GiB" (2^30), "80000MB", or a device's name. Of a named
// device a tenth is left to the CUDA context and to what the allocator cannot use. Throws Error.
struct MemoryBudget {
  Count bytes;
  std::string text;
};
[[nodiscard]] MemoryBudget memory_budget(const std::string& text);
[[nodiscard]] MemoryBudget memory_budget(const DeviceSpec& device);

}  // namespace vitals
