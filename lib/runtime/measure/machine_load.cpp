#include "runtime/measure/machine_load.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace vitals {
namespace {

double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

// The first line of /proc/stat: user nice system idle iowait irq softirq steal, in clock ticks.
void add_machine(LoadCounters& counters) {
  std::ifstream in("/proc/stat");
  std::string name;
  double ticks[8] = {};
  in >> name;
  for (double& t : ticks) in >> t;
  const long per_second = sysconf(_SC_CLK_TCK);
  if (!in || name != "cpu" || per_second <= 0) return;
  const double scale = 1.0 / static_cast<double>(per_second);
  counters.machine_cpu_seconds = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) * scale;
  counters.stolen_cpu_seconds = ticks[7] * scale;
}

std::optional<double> difference(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return std::nullopt;
  return *a - *b;
}

}  // namespace

LoadCounters load_counters() {
  LoadCounters counters;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  counters.wall_seconds = std::chrono::duration<double>(now).count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  counters.own_cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  counters.pushed_aside = static_cast<std::uint64_t>(usage.ru_nivcsw);
  add_machine(counters);
  return counters;
}

LoadCounters operator-(const LoadCounters& later, const LoadCounters& earlier) {
  return {later.wall_seconds - earlier.wall_seconds,
          later.own_cpu_seconds - earlier.own_cpu_seconds,
          later.pushed_aside - earlier.pushed_aside,
          difference(later.machine_cpu_seconds, earlier.machine_cpu_seconds),
          difference(later.stolen_cpu_seconds, earlier.stolen_cpu_seconds)};
}

namespace {

int scheduled_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

// CPU time that the container may take, in whole CPUs (cgroup v2: "200000 100000" is two).
int granted_cpus() {
  std::ifstream in("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (!(in >> quota >> period) || !(quota > 0 && period > 0))
    return std::numeric_limits<int>::max();
  return static_cast<int>(std::min(std::ceil(quota / period), 1e6));
}

}  // namespace

int usable_cpus() {
  // As the process began: a pool that is alive has pinned its caller to one of them.
  static const int count = std::max(1, std::min(scheduled_cpus(), granted_cpus()));
  return count;
}

}  // namespace vitals
