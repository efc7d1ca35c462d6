// The options of commands that compute: backend and precision.
#pragma once

#include "command_line.h"
#include "runtime/open_engine.h"

#include <optional>

namespace vitals::cli {

struct ComputeOptions {
  std::optional<Backend> backend;  // nothing: auto
  Element precision = Element::kF32;
};

void add_compute_options(Command& command, ComputeOptions& options);

// Threads that a person may ask for.
inline constexpr Bounds kThreads{1, 1024};

}  // namespace vitals::cli
