// What this machine can do at most: multiply-adds and memory reads per second, measured with the
// same kernels' instruction sets and remembered per machine in a cache file.
// Must not know of models; the numbers are what rooflines are drawn from.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace vitals {

struct MachinePeaks {
  std::string cpu;  // "model name" of /proc/cpuinfo
  std::string isa;  // isa_name() of what was measured
  int threads = 1;
  double f32_gflops = 0;     // 10^9 FLOP/s, all threads together
  double bf16_gflops = 0;    // in bf16 tiles where the CPU has them, else the same as f32
  double read_gb_per_s = 0;  // 10^9 bytes/s from memory, far beyond the caches
  bool disturbed = false;    // other programs ran meanwhile: the machine can do more
};

// "unknown" where /proc/cpuinfo does not tell.
std::string cpu_name();

// Measures for about half a second, on threads of its own. Call before an engine exists or while
// its pool is idle.
MachinePeaks measure_peaks(int threads, bool pin);

// $XDG_CACHE_HOME/vitals/machine, or $HOME/.cache/vitals/machine; nothing where neither is set.
std::optional<std::filesystem::path> peaks_cache_file();

// From the cache file if it holds this CPU, instruction set and number of threads; else measured
// and, unless it was disturbed, remembered. A cache that cannot be read or written is as good as
// none.
MachinePeaks machine_peaks(int threads, bool pin);

// The same with the file given (none: measure always), and with `fresh` measuring anew.
MachinePeaks machine_peaks(int threads, bool pin, const std::optional<std::filesystem::path>& cache,
                           bool fresh);

// Keeps them in the file beside those of other CPUs and threads.
void remember_peaks(const std::filesystem::path& file, const MachinePeaks& peaks);

}  // namespace vitals
