// `vitals predict --mode prefill|decode|serve`: how fast a language model is served, and how many
// streams fit.
#pragma once

#include "command.h"
#include "device_option.h"

#include <cstdint>
#include <string>

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
void add_serve_options(Command& command, ServeOptions& options);
// `kv_dtype`: empty for 16 bits. `framework`: empty for the middle of the measured ones.
void predict_serving(const Model& model, const ServeOptions& options, const DeviceChoice& device,
                     const std::string& mode, const std::string& kv_dtype,
                     const std::string& framework, const OutputOptions& output);

}  // namespace vitals::cli
