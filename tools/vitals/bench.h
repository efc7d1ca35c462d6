// A measurement for another command that shows one.
#pragma once

#include "command.h"
#include "runtime/measure/bench.h"

namespace vitals::cli {

// `name`, with the overrides of `model`, measured as `vitals bench` does without options: one
// sample, fp32, the fastest backend.
[[nodiscard]] BenchResult bench_model(const ModelOptions& model, const std::string& name);

}  // namespace vitals::cli
