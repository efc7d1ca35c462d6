#include "latency/prices/price_list.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vitals::prices {
namespace {

// No correction changes a time by more than this factor's logarithm.
constexpr double kLargestCorrection = 1.2;
// Below this support the far spread holds.
constexpr double kNearSupport = 0.8;

double octaves(double a, double b) { return std::log2(std::max(a, 1e-9) / std::max(b, 1e-9)); }

struct Distance {
  double squares = 0;
  void add(double apart) { squares += apart * apart; }
};

// How many octaves of a size apart, or how different a kind, make kernels dissimilar: chosen by
// cross-validation over shapes (tools/calibrate).
void add_sizes(Distance& d, Family family, const Sizes& a, const Sizes& b) {
  switch (family) {
    case Family::gemm:
      for (std::size_t i = 0; i < 3; ++i) d.add(octaves(a[i], b[i]) / 2.5);
      return;
    case Family::prefill:
    case Family::decode:
      d.add(octaves(a[0], b[0]) / 4);
      d.add(octaves(a[1] / a[2], b[1] / b[2]) / 4);
      d.add(octaves(a[2], b[2]) / 4);
      d.add(octaves(a[3], b[3]) / 0.8);
      d.add(octaves(a[4], b[4]) / 4);
      d.add(octaves(a[5], b[5]) / 4);
      if ((a[6] > 0) != (b[6] > 0))
        d.add(0.7);
      else if (a[6] > 0)
        d.add(octaves(a[6], b[6]) / 4);
      return;
    case Family::moe:
      d.add(octaves(a[0], b[0]) / 4);
      d.add(octaves(a[1], b[1]) / 3);
      d.add(octaves(a[2] / a[5], b[2] / b[5]) / 4);
      d.add(octaves(a[3], b[3]) / 4);
      d.add(octaves(a[4], b[4]) / 4);
      d.add(octaves(a[6], b[6]) / 5);
      if ((a[7] > 0) != (b[7] > 0)) d.add(0.5);
      return;
    case Family::allreduce:
      d.add(octaves(a[0], b[0]) / 1.5);
      d.add(octaves(a[1], b[1]) / 3);
  }
}

}  // namespace

double similarity(Family family, const Sizes& a, const Group& group_a, double kv_a, const Sizes& b,
                  const Group& group_b, double kv_b) {
  Distance d;
  add_sizes(d, family, a, b);
  if (group_a.framework != group_b.framework) d.add(2);
  if (group_a.dtype != group_b.dtype) d.add(2);
  if (kv_a != kv_b) d.add(1);
  const double r = std::sqrt(3 * d.squares);
  return (1 + r) * std::exp(-r);
}

double resemblance(Family family, const Machine& a, const Machine& b) {
  const auto rate = [](const Machine& m) {
    return m.bf16.value_or(m.fp16.value_or(m.fp32.value_or(1e12))) / static_cast<double>(m.units);
  };
  const bool link = family == Family::allreduce && a.link > 0 && b.link > 0;
  const double peak = link ? std::log(a.link / b.link) : std::log(rate(a) / rate(b));
  const double memory = link ? 0
                             : std::log(a.bandwidth / static_cast<double>(a.units) /
                                        (b.bandwidth / static_cast<double>(b.units)));
  const bool other_maker = !a.maker.empty() && !b.maker.empty() && a.maker != b.maker;
  constexpr double kReach = 0.6;
  constexpr double kOtherMaker = 1e-9;  // counts only where no other device was measured
  constexpr double kLeast = 1e-6;
  return (std::exp(-0.5 * (peak * peak + memory * memory) / (kReach * kReach)) + kLeast) *
         (other_maker ? kOtherMaker : 1);
}

Estimate estimate(const DevicePrices& prices, std::size_t group, const Question& question,
                  const Machine& machine, const Values& factors) {
  double correction = 0;
  double nearest = 0;
  const auto& own = prices.groups[group];
  for (const auto& point : prices.points) {
    const double s = similarity(question.family, question.sizes, own, question.kv_bytes,
                                point.sizes, prices.groups[point.group], point.kv_bytes);
    correction += s * point.weight;
    nearest = std::max(nearest, s);
  }
  correction = std::clamp(correction, -kLargestCorrection, kLargestCorrection);
  const double us = physics_us(question, machine, factors) * std::exp(correction);
  return {std::log(std::max(us, least_us(question, machine))), nearest};
}

namespace {

// All-reduce is one kernel whatever the numbers are; 16-bit formats share their kernels.
bool serves(const Group& group, const Question& q, const std::string& framework) {
  if (!framework.empty() && group.framework != framework) return false;
  if (q.family == Family::allreduce) return (group.dtype == "eager") == (q.sizes[2] > 0);
  const auto name = q.format->name == "fp16" ? std::string_view("bf16") : q.format->name;
  return group.dtype == name;
}

struct Weighted {
  Estimate estimate;
  double weight = 1;
  std::string framework;
};

double median(std::vector<Weighted> of) {
  std::sort(of.begin(), of.end(), [](const Weighted& a, const Weighted& b) {
    return a.estimate.log_us < b.estimate.log_us;
  });
  const auto half = of.size() / 2;
  if (of.size() % 2 == 1) return of[half].estimate.log_us;
  return 0.5 * (of[half - 1].estimate.log_us + of[half].estimate.log_us);
}

// Factors that mean the same for every kind of kernel.
struct Change {
  double product = 1;
  double bandwidth = 1;
  double floor = 1;
};

Values adjusted(const FamilySpec& spec, Values factors, const Change& change) {
  for (std::size_t i = 0; i < spec.factors.size(); ++i) {
    const auto name = spec.factors[i].name;
    factors[i] *= name == "product"     ? change.product
                  : name == "bandwidth" ? change.bandwidth
                  : name == "floor_us"  ? change.floor
                                        : 1;
  }
  return factors;
}

// Mean logarithm of a factor over the groups of 16-bit kernels.
std::optional<double> mean_log(const DevicePrices& d, std::string_view factor) {
  const auto& spec = spec_of(d.family);
  double sum = 0;
  double count = 0;
  for (const auto& group : d.groups) {
    if (group.dtype != "bf16") continue;
    for (std::size_t i = 0; i < spec.factors.size(); ++i)
      if (spec.factors[i].name == factor) {
        sum += std::log(group.factors[i]);
        ++count;
      }
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

// What kernels of other kinds, measured on both devices, tell of `device` beside a relative: how
// much more of its data sheet it reaches. Half of it is taken over.
Change change_from(const PriceList& list, const std::string& device, const std::string& relative) {
  constexpr double kTaken = 0.5;
  Change change;
  const auto set = [&](double& value, std::string_view factor) {
    double sum = 0;
    double count = 0;
    for (const auto& own : list.devices) {
      if (own.device != device) continue;
      for (const auto& other : list.devices) {
        if (other.device != relative || other.family != own.family) continue;
        const auto a = mean_log(own, factor);
        const auto b = mean_log(other, factor);
        if (!a || !b) continue;
        sum += *a - *b;
        ++count;
      }
    }
    if (count > 0) value = std::exp(kTaken * std::clamp(sum / count, -1.0, 1.0));
  };
  set(change.product, "product");
  set(change.bandwidth, "bandwidth");
  set(change.floor, "floor_us");
  return change;
}

std::vector<Weighted> estimates(const DevicePrices& prices, const Question& q,
                                const Machine& machine, const std::string& framework,
                                const Change& change = {}) {
  std::vector<Weighted> result;
  if (prices.family != q.family) return result;
  for (std::size_t g = 0; g < prices.groups.size(); ++g)
    if (serves(prices.groups[g], q, framework))
      result.push_back({estimate(prices, g, q, machine,
                                 adjusted(spec_of(q.family), prices.groups[g].factors, change)),
                        1, prices.groups[g].framework});
  return result;
}

Price from_own(const DevicePrices& prices, const std::vector<Weighted>& found) {
  Price p;
  const double middle = median(found);
  double support = 0;
  double least = middle;
  double most = middle;
  for (const auto& one : found) {
    support = std::max(support, one.estimate.support);
    least = std::min(least, one.estimate.log_us);
    most = std::max(most, one.estimate.log_us);
    if (std::find(p.frameworks.begin(), p.frameworks.end(), one.framework) == p.frameworks.end())
      p.frameworks.push_back(one.framework);
  }
  const auto& spread = support >= kNearSupport ? prices.near : prices.far;
  p.us = std::exp(middle);
  p.low = std::exp(least + spread.low);
  p.high = std::exp(most + spread.high);
  p.measured = true;
  return p;
}

// As each relative's factors and corrections would have it, on this data sheet.
Price from_relatives(const PriceList& list, const Question& q, const Machine& machine,
                     const std::string& device, const std::string& framework) {
  Price p;
  double sum = 0;
  double weights = 0;
  for (const auto& relative : list.devices) {
    if (relative.family != q.family) continue;
    const auto found =
        estimates(relative, q, machine, framework, change_from(list, device, relative.device));
    if (found.empty()) continue;
    const double weight = resemblance(q.family, machine, relative.machine);
    sum += weight * median(found);
    weights += weight;
    for (const auto& one : found)
      if (std::find(p.frameworks.begin(), p.frameworks.end(), one.framework) == p.frameworks.end())
        p.frameworks.push_back(one.framework);
  }
  if (weights == 0)
    fail("no {} in {} was measured on any device{}", spec_of(q.family).name, q.format->name,
         framework.empty() ? "" : fmt::format(" with framework '{}'", framework));
  const auto& spread = list.unseen[static_cast<std::size_t>(q.family)];
  const double log_us = std::max(sum / weights, std::log(std::max(least_us(q, machine), 1e-3)));
  p.us = std::exp(log_us);
  p.low = std::exp(log_us + spread.low);
  p.high = std::exp(log_us + spread.high);
  return p;
}

}  // namespace

Price price(const PriceList& list, const Question& q, const Machine& machine,
            const std::string& device, const std::string& framework) {
  if (q.family == Family::allreduce && machine.link <= 0)
    fail("{}: the device's link to others is not stated (link_gb_s)", device);
  if (!(machine.*q.format->peak)) fail("{} has no matrix units for {}", device, q.format->name);
  for (const auto& prices : list.devices) {
    if (prices.device != device || prices.family != q.family) continue;
    const auto found = estimates(prices, q, machine, framework);
    if (!found.empty()) return from_own(prices, found);
  }
  return from_relatives(list, q, machine, device, framework);
}

}  // namespace vitals::prices
