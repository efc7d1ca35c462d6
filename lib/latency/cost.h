// The time of a kernel on a machine: FLOPs over the reachable peak, or bytes over the reachable
// bandwidth, whichever is longer (the roofline of Williams et al. 2009,
// doi:10.1145/1498765.1498785) with what size, tiles and waves leave unused. Knows no graph.
#pragma once

#include "latency/device.h"
#include "latency/kernel.h"

namespace vitals::latency {

enum class Bound : std::uint8_t { compute, memory };

struct Cost {
  double seconds = 0;
  Bound bound = Bound::memory;
};

// `peak` in FLOP/s is that of the type that products compute in. Of a training step the costs of
// the forward and the backward pass together.
[[nodiscard]] Cost cost(const Kernel& kernel, const Machine& machine, double peak,
                        const Factors& factors, bool training);

// The least time that the products of a kernel take at the peak rate.
[[nodiscard]] double least_seconds(const Kernel& kernel, double peak, bool training);
// A training step computes each product once forwards and twice backwards.
[[nodiscard]] inline double product_passes(bool training) { return training ? 3 : 1; }

}  // namespace vitals::latency
