// What PyTorch measured of a step: torch.cuda.memory_stats() and torch.cuda.memory._snapshot(), as
// JSON. Knows no model.
#pragma once

#include "core/count.h"

#include <optional>
#include <string>
#include <vector>

namespace vitals {

struct MeasuredMemory {
  struct Event {
    Count bytes;
    bool freed = false;
    std::string where;  // "model.py:31:forward", the innermost frame of Python; empty: none
  };
  // Of the recorded step, where a snapshot was given.
  struct Trace {
    Count start;  // live before its first event
    std::vector<Event> events;
  };
  std::optional<Count> peak;  // allocated_bytes.all.peak, where stats were given
  std::optional<Trace> trace;
};

// From an object with "stats", "snapshot" or both, or from one of them alone. Of several devices
// that with most events. Throws Error that names the file and what it should hold.
[[nodiscard]] MeasuredMemory read_measured_memory(const std::string& path);

}  // namespace vitals
