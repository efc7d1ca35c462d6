// How long the analysis takes: building and folding a trace, its growth with depth, and the whole
// process beside `python3 -c pass`, interleaved in one run.
#include "cost/macs.h"
#include "cost/rollup.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <malloc.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct Spread {
  double min = 0;
  double median = 0;
  double max = 0;
};

Spread spread(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2], times.back()};
}

Spread repeat(std::size_t runs, const std::function<void()>& work) {
  std::vector<double> times;
  for (std::size_t i = 0; i < runs; ++i) times.push_back(milliseconds(work));
  return spread(std::move(times));
}

// Parameters and MACs: what every report starts from.
vitals::Count fold(const vitals::Graph& graph) {
  return vitals::parameters(graph).sum() + vitals::macs_by_module(graph).sum();
}

void bench_model() {
  const auto model = vitals::builtin_model("vit_base_patch16_224", "");
  vitals::Count checksum;
  const auto build = repeat(1000, [&] { checksum += model.build().nodes.size(); });
  const auto graph = model.build();
  const auto folded = repeat(1000, [&] { checksum += fold(graph).value() % 97; });
  fmt::print("ViT-B/16, microseconds (min / median / max of 1000)\n");
  fmt::print("  build the trace ({} ops)        {:8.1f} {:8.1f} {:8.1f}\n", graph.nodes.size(),
             1000 * build.min, 1000 * build.median, 1000 * build.max);
  fmt::print("  fold parameters and MACs         {:8.1f} {:8.1f} {:8.1f}\n", 1000 * folded.min,
             1000 * folded.median, 1000 * folded.max);
}

void bench_depth() {
  fmt::print("\nGrowth with depth\n  {:>8} {:>12} {:>14} {:>12} {:>14}\n", "blocks", "build ms",
             "us per block", "trace MiB", "KiB per block");
  for (const std::uint64_t depth : {10U, 100U, 1000U, 10000U}) {
    const auto model = vitals::with_overrides(vitals::builtin_model("vit_base_patch16_224", ""),
                                              {{"depth", std::to_string(depth), "--set depth"}});
    const auto time = repeat(5, [&] { (void)fold(model.build()); });
    const auto before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
    const auto graph = model.build();
    const auto bytes = static_cast<double>(::mallinfo2().uordblks + ::mallinfo2().hblkhd - before);
    const auto blocks = static_cast<double>(depth);
    fmt::print("  {:>8} {:>12.3f} {:>14.2f} {:>12.2f} {:>14.2f}\n", depth, time.median,
               1000 * time.median / blocks, bytes / 1048576, bytes / 1024 / blocks);
  }
}

// A whole process, its output thrown away.
void run_process(std::vector<std::string> command) {
  std::vector<char*> argv;
  for (auto& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  const auto child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_WRONLY);  // NOLINT: POSIX's own variadic call
    ::dup2(null, STDOUT_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fmt::print(stderr, "vitals_bench: {} failed\n", command[0]);
    std::exit(1);
  }
}

void bench_process() {
  const std::vector<std::vector<std::string>> commands = {
      {"python3", "-c", "pass"},
      {VITALS_EXE, "summary", "vit_base_patch16_224"},
      {VITALS_EXE, "flops", "vit_base_patch16_224"},
  };
  std::vector<std::vector<double>> times(commands.size());
  for (int round = 0; round < 41; ++round)
    for (std::size_t i = 0; i < commands.size(); ++i) {
      const auto t = milliseconds([&] { run_process(commands[i]); });
      if (round > 0) times[i].push_back(t);  // the first round warms the caches
    }
  const auto python = spread(times[0]);
  fmt::print("\nThe whole process, milliseconds (min / median / max of 40, interleaved)\n");
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const auto s = spread(times[i]);
    fmt::print("  {:<16} {:8.2f} {:8.2f} {:8.2f}   {:.2f} of python3 -c pass\n",
               i == 0 ? "python3 -c pass" : "vitals " + commands[i][1], s.min, s.median, s.max,
               s.median / python.median);
  }
}

}  // namespace

int main() {
  bench_model();
  bench_depth();
  bench_process();
}
