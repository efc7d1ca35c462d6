// A measured step beside the predicted one: peaks, and the first allocation in which they differ.
// Formatting only.
#pragma once

#include "frontends/torch/measured_memory.h"
#include "memory/estimate.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

namespace vitals {

struct MeasuredBeside {
  struct Side {
    Count bytes;
    std::string where;
  };
  struct Levels {
    Count start;
    Count peak;
    Count end;
  };
  std::optional<Levels> measured;  // where there is a trace
  Count measured_peak;
  Levels predicted;
  std::size_t alike = 0;  // allocations of 1 MiB or more, in their order, that are equally large
  // The first that is not; nothing on the side that has no more.
  std::optional<Side> then_predicted;
  std::optional<Side> then_measured;
};

// The estimate must have been asked for its record.
[[nodiscard]] MeasuredBeside beside(const Graph& graph, const MemoryEstimate& estimate,
                                    const MeasuredMemory& measured);
[[nodiscard]] Table measured_table(const MeasuredBeside& comparison);
[[nodiscard]] std::string measured_sentence(const MeasuredBeside& comparison);
[[nodiscard]] nlohmann::ordered_json measured_json(const MeasuredBeside& comparison);

}  // namespace vitals
