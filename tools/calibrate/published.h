// Published measurements, and the runs that they belong to.
#pragma once

#include "frontends/devices/calibration.h"
#include "latency/factor_fit.h"

#include <map>
#include <string>
#include <vector>

namespace vitals::calibrate {

// One model of a run, ready to be timed again and again.
struct Measured {
  std::string model;
  std::uint64_t batch = 0;
  double flops = 0;
  latency::Observation observation;  // of a step
};

struct Run {
  Calibration calibration;  // how it was run; factors and errors are still to be found
  latency::Setup setup;     // of the device
  std::vector<Measured> models;
};

// `runs` describes the runs (JSON), `csv` has the columns run, model, img_size, batch, step_ms.
[[nodiscard]] std::vector<Run> load_runs(const std::string& runs, const std::string& csv);

}  // namespace vitals::calibrate
