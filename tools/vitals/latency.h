// What predict, list and compare share: the device and the way to run, from the command line to an
// answer. No arithmetic here.
#pragma once

#include "command.h"
#include "device_option.h"
#include "frontends/devices/device_file.h"
#include "report/latency.h"

#include <optional>
#include <string>

namespace vitals::cli {

struct LatencyOptions {
  DeviceChoice device;
  std::string precision;  // empty: amp on a GPU, fp32 on a CPU
  std::string mode = "inference";
  std::string attention;  // empty: what the measured runs had
  std::string pytorch;
  bool compiled = false;
  bool channels_last = false;
};

// --device is only required where the command is about nothing else.
void add_latency_options(Command& command, LatencyOptions& options, bool required);

// What is wrong with what they name.
[[nodiscard]] std::string latency_fault(const LatencyOptions& options);

// verdict: whether it fits is exact, what it needs only lies on the same side of what can be used.
enum class WithMemory { yes, verdict, no };
[[nodiscard]] LatencyAnswer predict_latency(const Model& model, const LatencyOptions& options,
                                            const BuildOptions& build, WithMemory memory);

}  // namespace vitals::cli
