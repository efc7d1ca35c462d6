// Times forward passes: warm-up until they settle, then run after run, each output checked against
// the first. Several executors take turns, so that whatever the machine does meets them alike. Must
// not know what is made of the times.
#pragma once

#include "runtime/executor.h"
#include "runtime/measure/machine_load.h"

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace vitals {

struct MeasureOptions {
  double warm_up_seconds = 0.2;                    // at the least, of each; 0: one run
  double seconds = 3;                              // of measuring, for all executors together
  std::optional<std::size_t> runs = {};            // of each executor, instead of a time
  std::function<void(double part)> progress = {};  // how much is done, 0 to 1
  std::function<bool()> stop = {};                 // asked between runs; true: enough
};

struct Measurement {
  std::vector<double> run_ms;
  std::vector<std::vector<float>> step_ms;  // by run, then by step
  std::size_t warmup_runs = 0;
  bool settled = true;  // the warm-up ended because times no longer changed
  bool interrupted = false;
  LoadCounters load;  // while measuring, all executors together
};

// At most this many runs: more tell nothing new.
inline constexpr std::size_t kMostRuns = 2000;

// One measurement an executor, at least one run each. Throws Error when a run's outputs differ from
// the first run's in a single bit, or are not finite.
[[nodiscard]] std::vector<Measurement> measure(std::span<Executor* const> executors,
                                               const MeasureOptions& options);

// The time of every step, in milliseconds: its share of the runs around the median one, of the
// median latency. Sums to that, but for the time between steps.
[[nodiscard]] std::vector<double> typical_step_ms(const Measurement& measurement);

}  // namespace vitals
