#include "runtime/measure/machine.h"

#include "runtime/kernels/isa.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace vitals;

TEST_CASE("peaks are measured, and remembered unless other programs ran meanwhile") {
  const test::TemporaryFolder folder;
  const std::filesystem::path file = std::filesystem::path(folder.path()) / "deep" / "machine";
  const MachinePeaks first = machine_peaks(2, false, file, false);
  CHECK(first.f32_gflops > 0.1);
  CHECK(first.bf16_gflops >= first.f32_gflops);
  CHECK(first.read_gb_per_s > 0.01);
  CHECK(first.threads == 2);
  CHECK(!first.cpu.empty());
  CHECK(std::filesystem::exists(file) != first.disturbed);
}

TEST_CASE("peaks are read from the cache; nonsense in it is measured over") {
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder.path("machine");
  const std::string key = cpu_name() + "\t" + isa_name(best_isa()) + "\t2\t";
  std::ofstream(file) << "other cpu\tavx2\t2\t1\t1\t1\n" << key << "111\t222\t33.5\n";
  const MachinePeaks known = machine_peaks(2, false, file, false);
  CHECK(known.f32_gflops == 111);
  CHECK(known.bf16_gflops == 222);
  CHECK(known.read_gb_per_s == 33.5);
  CHECK_FALSE(known.disturbed);

  std::ofstream(file) << "other cpu\tavx2\t2\t1\t1\t1\n" << key << "x\n";
  CHECK(machine_peaks(2, false, file, false).f32_gflops > 0.1);
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  CHECK(line.starts_with("other cpu"));  // the lines of other machines stay
}

TEST_CASE("a cache that cannot be written is no error") {
  CHECK(machine_peaks(1, false, std::filesystem::path("/proc/nowhere/machine"), false).f32_gflops >
        0.1);
  CHECK(machine_peaks(1, false, std::nullopt, false).f32_gflops > 0.1);
}

TEST_CASE("the cache's place follows XDG_CACHE_HOME, then HOME") {
  setenv("XDG_CACHE_HOME", "/x/cache", 1);
  CHECK(peaks_cache_file() == std::filesystem::path("/x/cache/vitals/machine"));
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/x", 1);
  CHECK(peaks_cache_file() == std::filesystem::path("/x/.cache/vitals/machine"));
  unsetenv("HOME");
  CHECK(!peaks_cache_file().has_value());
}
