// `bench --save-device FILE`: the machine at hand as a device for `predict`.
#pragma once

#include "bench_runs.h"

#include <string>

namespace vitals::cli {

// The device is called as its file is.
std::string device_name(const std::string& file);

// Measures, writes the device to its file, and returns what is to be said.
std::string save_device(const BenchArguments& arguments);

}  // namespace vitals::cli
