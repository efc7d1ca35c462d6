// What needs the machine at hand: real forward passes. machine.cpp has them; a build without a
// runtime, for WebAssembly, takes no_machine.cpp in its place.
#pragma once

#include "command.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace vitals::cli {

// `bench` and `run`; none without a runtime.
[[nodiscard]] std::vector<Command> machine_commands();

// "native (vitals' own kernels), ..."; "none" without a runtime.
[[nodiscard]] std::string backend_names();

[[nodiscard]] bool can_measure();

// A measurement for another command that shows one.
struct Measurement {
  std::string heading;
  Table ops;
  nlohmann::ordered_json json;
};
// `name`, with the overrides of `model`, measured as `vitals bench` does without options: one
// sample, fp32, the fastest backend.
[[nodiscard]] Measurement measure_model(const ModelOptions& model, const std::string& name);

// Throws Error that names the op for a trace that the runtime does not run.
void require_measurable(const Graph& graph);

}  // namespace vitals::cli
