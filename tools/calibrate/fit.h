// Fits the factors of a machine to measurements: robust least squares on the logarithms of the
// times, by Levenberg and Marquardt, with weak priors that keep what a run cannot tell where
// physics has it.
#pragma once

#include "published.h"

#include <functional>
#include <utility>

namespace vitals::calibrate {

struct Sample {
  const Measured* model = nullptr;
  const latency::Setup* setup = nullptr;
};

[[nodiscard]] Factors fit(const std::vector<Sample>& samples);

// log(predicted / measured time).
[[nodiscard]] double log_error(const Sample& sample, const Factors& factors);

// Linear interpolation between order statistics; share in [0, 1].
[[nodiscard]] double quantile(std::vector<double> values, double share);

}  // namespace vitals::calibrate
