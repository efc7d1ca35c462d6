// A measured forward pass beside the theoretical one, op by op: what `vitals bench` reports. Plain
// results; must not know how they are printed.
#pragma once

#include "latency/kernel.h"
#include "runtime/kernels/engine.h"
#include "runtime/measure/machine.h"
#include "runtime/measure/measure.h"
#include "runtime/measure/statistics.h"

#include <span>
#include <string>
#include <vector>

namespace vitals {

// One op with all that is fused into it.
struct BenchOp {
  std::string path;  // of its module
  std::string type;  // of its module: "Linear"
  std::string op;    // "linear + gelu"
  std::uint64_t flops = 0;
  std::uint64_t bytes = 0;  // read and written, weights included
  double ms = 0;            // its time in the runs around the median one
  double share = 0;         // of the latency
  double gflops_per_s = 0;
  double roofline_ms = 0;  // no machine with these limits is faster
  bool compute_bound = false;
};

// A step as a kernel whose time can be predicted, with the time that it took.
struct TimedKernel {
  latency::Kernel kernel;
  double ms = 0;
};

struct BenchResult {
  std::string model;
  std::string title;  // with what was changed of it
  std::uint64_t batch = 1;
  std::uint64_t params = 0;
  Element precision = Element::kF32;
  std::string backend;  // its name
  std::string engine;   // "oneDNN 2.6.3, own avx512 kernels"
  int threads = 1;
  MachinePeaks machine;
  double peak_gflops = 0;  // the machine's for this precision

  Statistics latency_ms;
  std::vector<double> run_ms;  // of every run; those of models that took turns stand in pairs
  std::size_t warmup_runs = 0;
  bool interrupted = false;
  std::uint64_t flops = 0;
  double samples_per_s = 0;
  double gflops_per_s = 0;
  double efficiency = 0;   // of the peak
  double roofline_ms = 0;  // sum over the ops
  std::vector<BenchOp> ops;
  std::vector<TimedKernel> kernels;  // the same time by step
  double overhead_ms = 0;            // between ops: latency less the sum of their times

  std::uint64_t planned_bytes = 0;
  std::uint64_t arena_bytes = 0;
  std::uint64_t weights_bytes = 0;
  std::uint64_t scratch_bytes = 0;  // of kernels, beside the arena
  std::uint64_t peak_rss_bytes = 0;
  [[nodiscard]] std::uint64_t predicted_bytes() const {
    return weights_bytes + arena_bytes + scratch_bytes;
  }
  std::vector<std::string> warnings;  // sentences: what makes the figures doubtful
};

struct BenchOptions {
  Element precision = Element::kF32;
  std::uint64_t seed = 0;
  MeasureOptions measure;
};

// Throws Error that says why the trace cannot be run, before anything is measured.
void require_runnable(const Graph& graph);

// The models on one engine, with seeded random weights and inputs, taking turns. `machine` has the
// limits for the engine's threads. Throws Error as Executor and measure do.
[[nodiscard]] std::vector<BenchResult> bench(std::span<const Graph> graphs, Engine& engine,
                                             const MachinePeaks& machine,
                                             const BenchOptions& options);

// How much longer one model takes than another that took turns with it: statistics of the ratios of
// neighbouring runs, which a slow drift of the machine leaves as they are.
struct TimeRatio {
  Statistics ratio;
  // Whether the difference can be told: enough runs, and the interval of the median ratio lies
  // beyond kSameTime.
  bool differs = false;
};

// Differences within this are not told, however many runs confirm them: where the buffers of two
// executors happen to lie in memory changes a time, too.
inline constexpr double kSameTime = 0.01;

// `b` relative to `a`.
[[nodiscard]] TimeRatio time_ratio(const BenchResult& a, const BenchResult& b);

// Whether an op, or the whole, ran faster than the machine's limits allow: these were measured when
// the machine was slower, and should be measured anew.
[[nodiscard]] bool beats_its_limits(std::span<const BenchResult> results);

// What an op reached the machine can do, whatever its own measurement says.
void raise_limits(MachinePeaks& machine, std::span<const BenchResult> results);

// Judges a result by other limits.
void set_limits(BenchResult& result, const MachinePeaks& machine);

// What the times themselves and the machine's counters say against trusting them. Sentences.
[[nodiscard]] std::vector<std::string> noise_warnings(const Measurement& measurement,
                                                      const Statistics& latency_ms, int threads);

}  // namespace vitals
