#include "latency/neighbours.h"

#include <array>
#include <cmath>

namespace vitals::latency {
namespace {

// How far a deviation reaches, in each direction: the standard deviation of the weight. With these
// and kDoubt, each fitted model was predicted best by the others fitted (tools/calibrate/runs.json,
// mean over all runs); no other model was looked at.
struct Direction {
  double Profile::*member;
  double reach;
};
constexpr std::array<Direction, 6> kDirections = {{{&Profile::tokens, 0.4},
                                                   {&Profile::width, 0.05},
                                                   {&Profile::batch, 2.0},
                                                   {&Profile::attention, 0.03},
                                                   {&Profile::elementwise, 0.03},
                                                   {&Profile::strided, 0.03}}};
// As if so much of a model had been measured that met the formulas.
constexpr double kDoubt = 0.2;
// A model that weighs less is no neighbour to be named.
constexpr double kNear = 0.1;

double nearness(const Profile& a, const Profile& b) {
  double squares = 0;
  for (const auto& direction : kDirections) {
    const double apart = (a.*direction.member - b.*direction.member) / direction.reach;
    squares += apart * apart;
  }
  return std::exp(-0.5 * squares);
}

}  // namespace

void Profiler::add(const Kernel& kernel, double seconds) {
  all_ += seconds;
  if (kernel.kind == KernelKind::attention) sums_.attention += seconds;
  if (kernel.kind == KernelKind::elementwise) sums_.elementwise += seconds;
  if (kernel.strided_bytes > 0) sums_.strided += seconds;
  if (kernel.kind != KernelKind::product || !(kernel.m > 0 && kernel.k > 0)) return;
  products_ += seconds;
  sums_.tokens += seconds * std::log(kernel.m);
  sums_.width += seconds * std::log(kernel.k);
}

Profile Profiler::profile(std::uint64_t batch) const {
  Profile p;
  p.batch = std::log(static_cast<double>(batch));
  if (products_ > 0) {
    p.tokens = sums_.tokens / products_ - p.batch;
    p.width = sums_.width / products_;
  }
  if (all_ > 0) {
    p.attention = sums_.attention / all_;
    p.elementwise = sums_.elementwise / all_;
    p.strided = sums_.strided / all_;
  }
  return p;
}

Adjustment adjustment(const Profile& profile, const std::vector<Neighbour>& neighbours) {
  Adjustment result;
  double weights = 0;
  double errors = 0;
  double most = kNear;
  for (const auto& neighbour : neighbours) {
    const double weight = nearness(profile, neighbour.profile);
    weights += weight;
    errors += weight * neighbour.log_error;
    if (weight < most) continue;
    most = weight;
    result.nearest = neighbour.model;
  }
  result.log_error = errors / (weights + kDoubt);
  result.confidence = weights / (weights + kDoubt);
  return result;
}

}  // namespace vitals::latency
