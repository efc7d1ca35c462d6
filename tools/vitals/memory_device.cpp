#include "memory_device.h"

#include "core/error.h"

#include <algorithm>

namespace vitals::cli {
namespace {

// What PyTorch calls a device, whichever it is.
const std::vector<std::string> kKinds = {"cuda", "cpu"};

bool is_kind(const std::string& device) {
  return std::find(kKinds.begin(), kKinds.end(), device) != kKinds.end();
}

bool is_cpu_of(const DeviceSpec& device) { return device.machine.kind == MachineKind::cpu; }

// Where --device says something else than --fit; null: a device that is not known, or none.
std::string contradiction(const MemoryDevice& place, const DeviceSpec* on,
                          const DeviceSpec* fit_on) {
  const auto& device = place.device.name;
  if (place.fit.empty() || device.empty() || device == place.fit) return "";
  if (is_kind(device))
    return fit_on != nullptr && is_cpu_of(*fit_on) != (device == "cpu")
               ? fmt::format("--fit {} and --device {} are two kinds of device", place.fit, device)
               : "";
  if (on != nullptr && !on->memory && fit_on == nullptr) return "";  // it has no budget of its own
  return fmt::format("--fit {} and --device {} are two budgets: leave one of them out", place.fit,
                     device);
}

// A size, or a device that a file explains later.
std::string fit_fault(const MemoryDevice& place) {
  if (place.fit.empty() || !place.device.file.empty() || place.fit.ends_with(".json")) return "";
  try {
    (void)memory_budget(place.fit);
    return "";
  } catch (const Error& error) {
    return fmt::format("--fit: {}", error.what());
  }
}

}  // namespace

bool MemoryDevice::is_cpu() const {
  if (on) return is_cpu_of(*on);
  const auto* known = find_device(device.name);
  return device.name == "cpu" || (known != nullptr && is_cpu_of(*known));
}

MemoryBudget MemoryDevice::budget() const {
  return fit_on ? memory_budget(*fit_on) : memory_budget(fit);
}

std::string usage_fault(const MemoryDevice& place) {
  if (!place.device.file.empty() && place.device.name.empty() && place.fit.empty())
    return "--device-file requires --device or --fit";
  for (const auto& fault : {device_fault(place.device, kKinds), fit_fault(place)})
    if (!fault.empty()) return fault;
  // What a file explains is looked at when it has been read.
  const auto* on = find_device(place.device.name);
  const bool known = place.device.file.empty() && (on != nullptr || is_kind(place.device.name));
  return known ? contradiction(place, on, find_device(place.fit)) : "";
}

void resolve(MemoryDevice& place) {
  const auto pointer = [](const std::optional<DeviceSpec>& d) { return d ? &*d : nullptr; };
  auto& name = place.device.name;
  if (!place.fit.empty()) place.fit_on = find_known({place.fit, place.device.file});
  if (!name.empty() && !is_kind(name)) place.on = chosen_device(place.device);
  const auto fault = contradiction(place, pointer(place.on), pointer(place.fit_on));
  if (!fault.empty()) fail("{}", fault);
  if (name.empty()) place.on = place.fit_on;
  if (place.on) name = place.on->name;
  if (name.empty()) name = "cuda";
}

}  // namespace vitals::cli
