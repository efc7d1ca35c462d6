#include "latency/execution.h"

#include "core/error.h"
#include "core/suggest.h"

#include <fmt/format.h>

#include <algorithm>

namespace vitals::latency {

const std::vector<std::string>& latency_precisions() {
  static const std::vector<std::string> names = {"fp32", "amp", "amp-bf16", "fp16", "bf16"};
  return names;
}

Execution execution(const Way& way, MachineKind kind, const std::vector<std::string>& low_norms,
                    std::string_view architecture) {
  Execution e;
  e.compiled = way.compiled;
  e.training = way.training;
  if (way.precision == "amp")
    e.low = kind == MachineKind::cpu ? DType::bf16 : DType::f16;
  else if (way.precision == "amp-bf16" || way.precision == "bf16")
    e.low = DType::bf16;
  else if (way.precision == "fp16")
    e.low = DType::f16;
  else if (way.precision != "fp32")
    fail("unknown precision '{}'{}", way.precision,
         did_you_mean(way.precision, latency_precisions()));
  e.autocast = way.precision == "amp" || way.precision == "amp-bf16";
  const auto has = [&](std::string_view name) {
    return std::find(low_norms.begin(), low_norms.end(), name) != low_norms.end();
  };
  e.low_layer_norm = has(architecture);
  e.low_rms_norm = has(architecture) || has("rms_norm");
  return e;
}

double peak(const Machine& machine, const Execution& execution, std::string_view device) {
  const auto type = execution.low.value_or(DType::f32);
  const auto& peak = type == DType::f16    ? machine.fp16
                     : type == DType::bf16 ? machine.bf16
                                           : machine.fp32;
  if (peak) return *peak;
  std::vector<std::string_view> has;
  if (machine.fp32) has.emplace_back("fp32");
  if (machine.fp16) has.emplace_back("fp16 (amp)");
  if (machine.bf16) has.emplace_back("bf16 (amp-bf16)");
  fail("{} has no matrix units for {}; it has {}", device, to_string(type), fmt::join(has, ", "));
}

}  // namespace vitals::latency
