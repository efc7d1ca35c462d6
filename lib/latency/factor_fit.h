// Fits the factors of a machine (latency/device.h) to measured times by robust, damped least
// squares. Knows no device and no file.
#pragma once

#include "latency/predict.h"

#include <vector>

namespace vitals::latency {

// What was measured: kernels that took so long together. Equal kernels stand once.
struct Observation {
  struct Repeated {
    Kernel kernel;
    double times = 1;
  };
  std::vector<Repeated> kernels;
  double seconds = 0;
  double weight = 1;  // how much its error counts beside the others'
};
[[nodiscard]] std::vector<Observation::Repeated> repeated(const std::vector<Kernel>& kernels);

struct Sample {
  const Observation* observation = nullptr;
  const Setup* setup = nullptr;  // of the machine; its factors do not matter
};

// log(predicted / measured time), neighbours not looked at
[[nodiscard]] double log_error(const Sample& sample, const Factors& factors);
// What the sample tells others that are predicted with these factors.
[[nodiscard]] Neighbour neighbour(const Sample& sample, const Factors& factors,
                                  const std::string& model, std::uint64_t batch);

// Whose kernels were measured, which tells what is usual before any of them is.
// PyTorch's on GPUs, on one CPU, on several at once; vitals' own.
enum class Kernels : std::uint8_t { gpu, cpu, any_cpu, own };
[[nodiscard]] Factors usual_factors(Kernels kernels);

// The factors with the least Huber loss of the log errors. Where the samples tell nothing about a
// factor, it stays near what is usual.
[[nodiscard]] Factors fit(const std::vector<Sample>& samples, Kernels kernels);

}  // namespace vitals::latency
