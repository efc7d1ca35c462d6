// What the formulas of cost.h leave over, as measured models of like sizes tell it: a library's
// kernels are quicker at some sizes than at others in ways that no formula of ours follows. Knows
// no device and no file.
#pragma once

#include "latency/device.h"
#include "latency/kernel.h"

#include <string>
#include <vector>

namespace vitals::latency {

class Profiler {
 public:
  void add(const Kernel& kernel, double seconds);
  [[nodiscard]] Profile profile(std::uint64_t batch) const;

 private:
  Profile sums_;
  double products_ = 0;  // seconds
  double all_ = 0;
};

struct Adjustment {
  double log_error = 0;   // to be expected of the formulas, from what the neighbours showed
  double confidence = 0;  // 0: no measured model is near; towards 1: several are
  std::string nearest;    // the measured model that is; empty where none is
};

// The average of the neighbours' errors, weighted by how near they are (Nadaraya 1964,
// doi:10.1137/1109020) and drawn to zero where few are.
[[nodiscard]] Adjustment adjustment(const Profile& profile,
                                    const std::vector<Neighbour>& neighbours);

}  // namespace vitals::latency
