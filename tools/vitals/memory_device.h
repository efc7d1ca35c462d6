// Where a step of `vitals memory` runs and what it may take: --device and --fit, which may name the
// same device, and must not name two. No arithmetic here.
#pragma once

#include "device_option.h"

#include <optional>
#include <string>

namespace vitals::cli {

struct MemoryDevice {
  DeviceChoice device;  // cuda, cpu or a name; empty: the one that --fit names, else cuda
  std::string fit;      // a size or a name; empty: no question of what fits

  // Known after `resolve`.
  std::optional<DeviceSpec> on;      // where --device, or --fit in its place, names one
  std::optional<DeviceSpec> fit_on;  // where --fit names one

  [[nodiscard]] bool is_cpu() const;
  [[nodiscard]] bool is_named() const { return on || fit_on; }
  [[nodiscard]] MemoryBudget budget() const;  // of --fit
};

// What is wrong with what was asked for, before any file is read.
[[nodiscard]] std::string usage_fault(const MemoryDevice& place);

// Finds the devices, in files, too. Throws Error for one that there is not, and for two budgets.
void resolve(MemoryDevice& place);

}  // namespace vitals::cli
