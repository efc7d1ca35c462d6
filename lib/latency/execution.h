// From how a person says it ("amp", compiled, on a GPU) to types, and to the peak that counts.
// Knows no device by name.
#pragma once

#include "latency/predict.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitals::latency {

struct Way {
  std::string precision = "amp";  // one of latency_precisions()
  bool compiled = false;
  bool training = false;
};

// "fp32", "amp" (float16, on a CPU bfloat16), "amp-bf16", "fp16", "bf16".
[[nodiscard]] const std::vector<std::string>& latency_precisions();

// `low_norms`: whose norms run in the low type under autocast, architectures and "rms_norm".
[[nodiscard]] Execution execution(const Way& way, MachineKind kind,
                                  const std::vector<std::string>& low_norms,
                                  std::string_view architecture);

// FLOP/s of products under this execution. Throws Error where the machine lacks the type.
[[nodiscard]] double peak(const Machine& machine, const Execution& execution,
                          std::string_view device);

}  // namespace vitals::latency
