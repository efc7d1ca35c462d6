#include "runtime/measure/machine.h"

#include "core/error.h"
#include "core/file.h"
#include "runtime/kernels/kernel_table.h"
#include "runtime/kernels/memory.h"
#include "runtime/measure/clock.h"
#include "runtime/measure/machine_load.h"
#include "runtime/measure/memory_limits.h"
#include "runtime/thread_pool.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace vitals {
namespace {

// The best of several short rounds: anything else on the machine only ever slows one down.
template <class Round>
double best_rate(int rounds, const Round& round) {
  double best = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    const double work = round();
    best = std::max(best, work / seconds_since(start));
  }
  return best / 1e9;
}

double peak_gflops(ThreadPool& pool, double (*kernel)(std::int64_t)) {
  // As many iterations as take about five milliseconds.
  std::int64_t iterations = 1000;
  while (true) {
    const auto start = Clock::now();
    kernel(iterations);
    if (seconds_since(start) > 5e-3) break;
    iterations *= 2;
  }
  std::vector<double> flops(static_cast<std::size_t>(pool.threads()));
  return best_rate(20, [&] {
    pool.parallel_for(pool.threads(), [&](std::int64_t task, int) {
      flops[static_cast<std::size_t>(task)] = kernel(iterations);
    });
    double total = 0;
    for (const double f : flops) total += f;
    return total;
  });
}

// Twice what the largest cache holds, so that memory is read and not the cache; from 256 MiB to a
// gigabyte, and no more than a quarter of what is free.
std::int64_t bytes_to_read() {
#ifdef _SC_LEVEL3_CACHE_SIZE  // a name of glibc
  const auto cache = static_cast<std::int64_t>(std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE)));
#else
  const std::int64_t cache = 0;
#endif
  const auto wanted = std::clamp(2 * cache, std::int64_t{256} << 20, std::int64_t{1} << 30);
  const auto available = static_cast<std::int64_t>(available_memory().value_or(1U << 30) / 4);
  return std::max(std::min(wanted, available) >> 20, std::int64_t{1}) << 20;
}

double read_bandwidth(ThreadPool& pool, const kernels::KernelTable& table) {
  constexpr std::int64_t kPieces = 64;
  const auto length = bytes_to_read() / static_cast<std::int64_t>(sizeof(float)) / kPieces;
  WeightStore store;  // huge pages, as weights have
  auto* data = static_cast<float*>(
      store.allocate(static_cast<std::size_t>(length * kPieces) * sizeof(float)));
  pool.parallel_for(
      kPieces, [&](std::int64_t piece, int) { std::fill_n(data + piece * length, length, 1.0f); });
  std::vector<float> sums(kPieces);
  return best_rate(6, [&] {
    pool.parallel_for(kPieces, [&](std::int64_t piece, int) {
      sums[static_cast<std::size_t>(piece)] = table.read_sum(data + piece * length, length);
    });
    return static_cast<double>(length * kPieces) * sizeof(float);
  });
}

// One line a measurement: cpu TAB isa TAB threads TAB f32 TAB bf16 TAB bandwidth
std::string key_of(const MachinePeaks& peaks) {
  return fmt::format("{}\t{}\t{}\t", peaks.cpu, peaks.isa, peaks.threads);
}

bool read_numbers(const std::string& text, MachinePeaks& peaks) {
  std::istringstream in(text);
  in >> peaks.f32_gflops >> peaks.bf16_gflops >> peaks.read_gb_per_s;
  return !in.fail() && peaks.f32_gflops > 0 && peaks.bf16_gflops > 0 && peaks.read_gb_per_s > 0;
}

// What the cache holds. Nothing for what is no regular file: a pipe would wait for a writer.
std::istringstream content_of(const std::filesystem::path& file) {
  constexpr std::size_t kMostBytes = 1U << 20U;
  try {
    return std::istringstream(RandomAccessFile(file.string()).head(kMostBytes));
  } catch (const Error&) {
    return {};
  }
}

bool recall(const std::filesystem::path& file, MachinePeaks& peaks) {
  auto in = content_of(file);
  const std::string key = key_of(peaks);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key) && read_numbers(line.substr(key.size()), peaks)) return true;
  }
  return false;
}

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && value[0] == '/' ? value : nullptr;
}

// Whether others had more than a tenth of a CPU between the two.
bool others_ran(const LoadCounters& load) {
  constexpr double kBusy = 0.1;
  const double stolen = load.stolen_cpu_seconds.value_or(0);
  const double others =
      load.machine_cpu_seconds.value_or(load.own_cpu_seconds) - load.own_cpu_seconds;
  return others + stolen > kBusy * load.wall_seconds;
}

MachinePeaks identity(int threads) {
  MachinePeaks peaks;
  peaks.cpu = cpu_name();
  peaks.isa = isa_name(best_isa());
  peaks.threads = std::max(1, threads);
  return peaks;
}

}  // namespace

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string name = line.substr(colon + 2);
    std::replace(name.begin(), name.end(), '\t', ' ');
    return name;
  }
  return "unknown";
}

MachinePeaks measure_peaks(int threads, bool pin) {
  MachinePeaks peaks = identity(threads);
  const kernels::KernelTable& table = kernels::kernel_table(best_isa());
  ThreadPool pool({peaks.threads, pin, PoolKind::kOwn});
  const auto before = load_counters();
  peaks.f32_gflops = peak_gflops(pool, table.peak_f32);
  peaks.bf16_gflops =
      table.peak_bf16 == table.peak_f32 ? peaks.f32_gflops : peak_gflops(pool, table.peak_bf16);
  peaks.read_gb_per_s = read_bandwidth(pool, table);
  peaks.disturbed = others_ran(load_counters() - before);
  return peaks;
}

std::optional<std::filesystem::path> peaks_cache_file() {
  if (const char* cache = environment("XDG_CACHE_HOME")) {
    return std::filesystem::path(cache) / "vitals" / "machine";
  }
  if (const char* home = environment("HOME")) {
    return std::filesystem::path(home) / ".cache" / "vitals" / "machine";
  }
  return std::nullopt;
}

void remember_peaks(const std::filesystem::path& file, const MachinePeaks& peaks) {
  const std::string key = key_of(peaks);
  std::error_code ignored;
  const auto status = std::filesystem::status(file, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) return;
  std::string kept;
  auto in = content_of(file);
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with(key)) kept += line + "\n";
  std::filesystem::create_directories(file.parent_path(), ignored);
  kept += key + fmt::format("{:.6g}\t{:.6g}\t{:.6g}\n", peaks.f32_gflops, peaks.bf16_gflops,
                            peaks.read_gb_per_s);
  try {
    write_file(file.string(), kept);
  } catch (const Error&) {
    // What is not remembered is measured again.
  }
}

MachinePeaks machine_peaks(int threads, bool pin) {
  return machine_peaks(threads, pin, peaks_cache_file(), false);
}

MachinePeaks machine_peaks(int threads, bool pin, const std::optional<std::filesystem::path>& cache,
                           bool fresh) {
  MachinePeaks peaks = identity(threads);
  if (cache && !fresh && recall(*cache, peaks)) return peaks;
  peaks = measure_peaks(threads, pin);
  if (cache && !peaks.disturbed) remember_peaks(*cache, peaks);
  return peaks;
}

}  // namespace vitals
