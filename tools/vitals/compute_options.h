// The options of commands that compute: backend and precision.
#pragma once

#include "command_line.h"
#include "runtime/open_engine.h"

namespace vitals::cli {

struct ComputeOptions {
  const Backend* backend = nullptr;  // null: auto
  Element precision = Element::kF32;
};

void add_compute_options(Command& command, ComputeOptions& options);

// Threads that a person may ask for.
inline constexpr Bounds kThreads{1, 1024};

}  // namespace vitals::cli
