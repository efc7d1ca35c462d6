// The devices that vitals knows by name, from specs/devices.json (embedded in the program), and
// those of a user's own file. Knows no model.
#pragma once

#include "core/count.h"
#include "frontends/devices/calibration.h"
#include "latency/device.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// What PyTorch runs on it.
enum class GpuRuntime : std::uint8_t {
  cuda,  // NVIDIA
  rocm,  // AMD: PyTorch's caching allocator is CUDA's
  mps,   // Apple
  xpu,   // Intel
};
[[nodiscard]] std::string_view name_of(GpuRuntime runtime);

struct DeviceSpec {
  std::string name;             // "a100-80gb"
  std::string title;            // "NVIDIA A100 80 GB"
  std::optional<Count> memory;  // bytes; what is sold as 24 GB holds 24 * 2^30. A CPU states none
  Machine machine;
  GpuRuntime runtime = GpuRuntime::cuda;  // of a GPU
  std::string source;
  std::vector<Calibration> calibrations;  // of a user's own device
};

// An entry of a device file that reads back as this device.
[[nodiscard]] nlohmann::ordered_json to_json(const DeviceSpec& device);

[[nodiscard]] const std::vector<DeviceSpec>& devices();
// By its name, or as people write it where that means one device alone: "RTX 4090", "3090". Null
// when there is none.
[[nodiscard]] const DeviceSpec* find_device(std::string_view name);
// The names of all that a text may mean: "a100" has three.
[[nodiscard]] std::vector<std::string> devices_meant(std::string_view text);
[[nodiscard]] std::vector<std::string> device_names();

// The devices of a file in the format of specs/devices.json. Throws Error that names the file and
// the place.
[[nodiscard]] std::vector<DeviceSpec> devices_in(const std::string& path);
// The known devices and those of a file, which win.
[[nodiscard]] std::vector<DeviceSpec> devices_with(const std::string& path);

// What PyTorch cannot allocate of a GPU's memory: the CUDA context, the kernels of cuBLAS and cuDNN
// with their workspaces, and what the driver keeps. Of 154 runs on cards of 24 GiB (timm's
// published benchmarks, PyTorch 1.12 and 2.4) all but three need 22.1 GiB or less where they ran,
// and more where they did not, as `vitals memory --allocator` predicts it.
inline constexpr std::uint64_t kGpuReserve = 1946 * (std::uint64_t{1} << 20);

// Whether the model of PyTorch's caching allocator speaks for it.
[[nodiscard]] bool has_caching_allocator(const DeviceSpec& device);
// What of its memory no step can have: kGpuReserve, or a tenth where memory is shared with the rest
// of the system. Nothing where the device states no memory.
[[nodiscard]] Count reserve_of(const DeviceSpec& device);
// "CUDA", "ROCm", "the system": who takes the reserve.
[[nodiscard]] std::string_view reserved_for(const DeviceSpec& device);

// What a step may take: "24GB" (10^9), "24GiB" (2^30), "80000MB", or a device's name, of whose
// memory the reserve is taken (of a CPU's, a tenth). Throws Error.
struct MemoryBudget {
  Count bytes;
  std::string text;
};
[[nodiscard]] MemoryBudget memory_budget(const std::string& text);
[[nodiscard]] MemoryBudget memory_budget(const DeviceSpec& device);

}  // namespace vitals
