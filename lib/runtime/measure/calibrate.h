// From measured forward passes to a device that predictions can be asked for: this machine's limits
// and the factors that its times tell. Knows no file.
#pragma once

#include "frontends/devices/device_file.h"
#include "runtime/measure/bench.h"

#include <span>
#include <string>
#include <vector>

namespace vitals {

// A forward pass that was measured, beside what a fit on the other models predicts for it.
struct CalibrationCase {
  std::string model;
  std::uint64_t batch = 1;
  double measured_ms = 0;  // the fastest run
  double predicted_ms = 0;

  // Of the predicted samples per second, as a share of the measured ones.
  [[nodiscard]] double error() const { return measured_ms / predicted_ms - 1; }
};

struct CalibratedMachine {
  DeviceSpec device;  // with its one calibration
  std::vector<CalibrationCase> cases;
};

// What to measure when nobody says what: models that differ in width, tokens and kind, and batches
// that take the weights once for few rows and for many.
[[nodiscard]] const std::vector<std::string>& calibration_models();
[[nodiscard]] const std::vector<std::uint64_t>& calibration_batches();

// The results are of one precision and one number of threads. The error is that of every model
// predicted by a fit on the others; with a single model, of every batch by a fit on the others.
// Throws Error for fewer than two results, from which no error can be told.
[[nodiscard]] CalibratedMachine calibrate_machine(std::span<const BenchResult> results,
                                                  const std::string& name,
                                                  const std::string& version);

}  // namespace vitals
