// How long a step takes on a machine: the kernels of a trace, the time of each, their sums by
// module. Knows no device by name and no file.
#pragma once

#include "cost/rollup.h"
#include "latency/cost.h"
#include "latency/neighbours.h"

#include <string>

namespace vitals::latency {

struct Setup {
  Execution execution;
  Machine machine;
  double peak = 0;  // FLOP/s in the type that products compute in
  Factors factors;
  std::vector<Neighbour> neighbours;  // measured on this machine in this way, with these factors
};

struct Prediction {
  std::vector<Kernel> kernels;
  std::vector<Cost> costs;  // of each kernel, adjusted
  Adjustment adjustment;    // to the neighbours
  double busy = 0;          // seconds in which the device computes
  double host = 0;          // seconds that Python and the framework take to ask for the kernels
  double flops = 0;         // of products, backward pass included
  double compute = 0;       // seconds of kernels that wait for arithmetic; the rest, for memory
  Rollup picoseconds;       // by module

  // Asking and computing overlap: the slower one is seen.
  [[nodiscard]] double seconds() const { return busy > host ? busy : host; }
};

// `kernels` are those of this trace, which is built with the batch, the mode and the attention that
// the step runs with. Throws Error where the time of the trace cannot be told.
[[nodiscard]] Prediction predict(const Graph& graph, std::vector<Kernel> kernels,
                                 const Setup& setup);
// As PyTorch runs it.
[[nodiscard]] Prediction predict(const Graph& graph, const Setup& setup);

// Why the time of this trace cannot be told, with the module and the op; empty where it can. A
// depthwise convolution fills no matrix unit and reads each input many times: how fast it is only
// measurements tell, and no measured model has one.
[[nodiscard]] std::string unpredictable(const Graph& graph);

}  // namespace vitals::latency
