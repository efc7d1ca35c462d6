// `vitals predict --kernel`: the price of single kernels, of one shape or of a file of shapes.
#pragma once

#include "command.h"
#include "device_option.h"

#include <cstdint>
#include <string>

namespace vitals::cli {

struct KernelOptions {
  std::string kernel;  // empty: the command is about a model
  std::string shape;
  std::string shapes;  // a CSV file
  std::string dtype = "bf16";
  std::string framework;
  std::uint64_t window = 0;
  double skew = 0;
};

void add_kernel_options(Command& command, KernelOptions& options);
// What is wrong with the options together, or nothing.
[[nodiscard]] std::string kernel_fault(const KernelOptions& options);
// `kv_dtype`: empty for that of the products.
void price_kernels(const KernelOptions& options, const DeviceChoice& device,
                   const std::string& kv_dtype, const OutputOptions& output);

}  // namespace vitals::cli
