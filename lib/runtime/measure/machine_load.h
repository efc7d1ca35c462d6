// What else the machine did while something was measured: processor time of this process and of
// all others, and how often it was pushed aside. Reads the system's counters; judges nothing.
#pragma once

#include <cstdint>
#include <optional>

namespace vitals {

struct LoadCounters {
  double wall_seconds = 0;
  double own_cpu_seconds = 0;
  std::uint64_t pushed_aside = 0;                  // involuntary context switches
  std::optional<double> machine_cpu_seconds = {};  // busy time of all CPUs, ours included
  std::optional<double> stolen_cpu_seconds = {};   // taken by the host of a virtual machine
};

// Since the process or the machine began; two of them tell what happened between.
[[nodiscard]] LoadCounters load_counters();
[[nodiscard]] LoadCounters operator-(const LoadCounters& later, const LoadCounters& earlier);

// CPUs that this process may run on, as it was when this was first asked: before any pinning.
[[nodiscard]] int usable_cpus();

}  // namespace vitals
