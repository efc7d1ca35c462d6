#include "runtime/measure/memory_limits.h"

#include "core/error.h"

#include <algorithm>
#include <fstream>
#include <sys/resource.h>

namespace vitals {
namespace {

// "MemAvailable:   123 kB" in a file of such lines
std::optional<std::uint64_t> kilobytes_of(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::uint64_t value = 0;
    if (word == key + ":" && in >> value) return value * 1024;
    in.ignore(1 << 12, '\n');
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_in(const char* file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

std::optional<std::uint64_t> left(std::optional<std::uint64_t> limit,
                                  std::optional<std::uint64_t> used) {
  if (!limit || !used) return std::nullopt;
  return *limit > *used ? *limit - *used : 0;
}

std::optional<std::uint64_t> least(std::optional<std::uint64_t> a, std::optional<std::uint64_t> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

std::optional<std::uint64_t> left_of_address_space() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return left(limit.rlim_cur, kilobytes_of("/proc/self/status", "VmSize"));
}

std::string mib(Count bytes) { return fmt::format("{:.0f} MiB", bytes.as_double() / (1 << 20)); }

}  // namespace

std::optional<std::uint64_t> available_memory() {
  const auto machine = kilobytes_of("/proc/meminfo", "MemAvailable");
  const auto group =
      left(number_in("/sys/fs/cgroup/memory.max"), number_in("/sys/fs/cgroup/memory.current"));
  return least(least(machine, group), left_of_address_space());
}

std::optional<std::uint64_t> installed_memory() {
  return least(kilobytes_of("/proc/meminfo", "MemTotal"), number_in("/sys/fs/cgroup/memory.max"));
}

void require_memory(const std::string& model, Count weights, Count activations) {
  const auto available = available_memory();
  if (!available || weights + activations <= Count(*available)) return;
  fail(
      "{}: not enough memory: {} of weights and {} of activations are needed, {} can be had; a "
      "smaller --batch or --precision bf16 needs less",
      model, mib(weights), mib(activations), mib(*available));
}

std::uint64_t peak_resident_bytes() {
  if (const auto bytes = kilobytes_of("/proc/self/status", "VmHWM")) return *bytes;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

bool reset_peak_resident() {
  std::ofstream out("/proc/self/clear_refs");
  out << "5";
  out.close();
  return !out.fail();
}

}  // namespace vitals
