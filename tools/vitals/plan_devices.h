// `vitals plan MODEL` without --gpus: what each known device makes of a model, to choose one by.
#pragma once

#include "command.h"
#include "serve.h"

#include <string>
#include <vector>

namespace vitals::cli {

struct DeviceTableOptions {
  std::string mode = "training";
  std::string devices;              // names with commas, in the place of all known ones
  std::string file;                 // of devices beside the built-in ones
  std::vector<std::string> prices;  // "h100=2.50" in US dollars an hour, or a CSV file name,usd
  ServeOptions serve;
};

void add_device_table_options(Command& command, DeviceTableOptions& options);

// What is wrong with them, before a model is read.
[[nodiscard]] std::string device_table_fault(const DeviceTableOptions& options);

// Writes the answer.
void plan_devices(const ModelOptions& model, const DeviceTableOptions& options,
                  const OutputOptions& output);

}  // namespace vitals::cli
