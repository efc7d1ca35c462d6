// `vitals predict --mode prefill|decode|serve`: how fast a language model is served, and how many
// streams fit.
#pragma once

#include "command.h"
#include "device_option.h"
#include "frontends/devices/device_file.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vitals::cli {

struct ServeOptions {
  std::uint64_t input_len = 1024;
  std::uint64_t output_len = 256;
  std::uint64_t concurrency = 1;
  std::uint64_t tp = 1;
  std::uint64_t ep = 1;
  std::string quantize = "none";
  double memory_utilization = 0.9;
};

[[nodiscard]] bool is_serving(const std::string& mode);

// What a device serves: how many streams fit, and the tokens of all of them in a second.
struct ServedRate {
  std::uint64_t streams = 0;  // 0: the weights leave no room
  double tokens_per_s = 0;
  double low = 0;  // 80 % of kernels
  double high = 0;
  bool measured = false;  // all kernels were measured on this device
};
// Of as many streams as fit, at most `options.concurrency`. Throws Error where the device lacks the
// format of the weights, or the model keeps no keys and values.
[[nodiscard]] ServedRate served_rate(const Model& model, const ServeOptions& options,
                                     const DeviceSpec& device);

// How weights can be stored.
[[nodiscard]] std::vector<std::string> serve_schemes();
void add_serve_options(Command& command, ServeOptions& options);
// `kv_dtype`: empty for 16 bits. `framework`: empty for the middle of the measured ones.
void predict_serving(const Model& model, const ServeOptions& options, const DeviceChoice& device,
                     const std::string& mode, const std::string& kv_dtype,
                     const std::string& framework, const OutputOptions& output);

}  // namespace vitals::cli
