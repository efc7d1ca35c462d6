// The options of commands that compute: backend and precision.
#pragma once

#include "command_line.h"
#include "runtime/open_engine.h"

#include <memory>
#include <optional>

namespace vitals::cli {

struct ComputeOptions {
  const Backend* backend = nullptr;  // null: auto
  Element precision = Element::kF32;
  std::optional<Isa> isa;  // none: what VITALS_ISA allows, or all that the CPU has

  // Throws Error as vitals::open_engine does. Also caps the instruction set of the process, so that
  // limits are measured with the same instructions.
  [[nodiscard]] std::unique_ptr<Engine> open_engine(int threads, bool pin) const;
};

void add_compute_options(Command& command, ComputeOptions& options);

// Threads that a person may ask for.
inline constexpr Bounds kThreads{1, 1024};

}  // namespace vitals::cli
