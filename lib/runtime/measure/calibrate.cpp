#include "runtime/measure/calibrate.h"

#include "core/error.h"
#include "latency/factor_fit.h"
#include "runtime/measure/memory_limits.h"
#include "runtime/measure/statistics.h"
#include "runtime/open_engine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <tuple>

namespace vitals {
namespace {

using latency::Observation;

// The fastest run: whatever else the machine did only ever slowed one down.
double fastest_ms(const BenchResult& r) { return r.latency_ms.min; }

// What one forward pass tells: the time of the whole, and of each kind of kernel, which counts by
// its share of that. Shares are those of the typical run.
std::vector<Observation> observations(const BenchResult& r) {
  const double scale = fastest_ms(r) / r.latency_ms.median;
  Observation whole;
  std::map<std::tuple<int, double, double, double, double, double>, Observation> parts;
  std::vector<latency::Kernel> kernels;
  for (const auto& [kernel, ms] : r.kernels) {
    kernels.push_back(kernel);
    auto& part = parts[{static_cast<int>(kernel.kind), kernel.m, kernel.n, kernel.k, kernel.count,
                        kernel.bytes}];
    if (part.kernels.empty()) part.kernels.push_back({kernel, 0});
    part.kernels.front().times += 1;
    part.seconds += 1e-3 * scale * ms;
  }
  whole.kernels = latency::repeated(kernels);
  whole.seconds = 1e-3 * fastest_ms(r);
  std::vector<Observation> result{whole};
  for (auto& [key, part] : parts) {
    if (!(part.seconds > 0)) continue;
    part.weight = part.seconds / whole.seconds;
    result.push_back(std::move(part));
  }
  return result;
}

class Fit {
 public:
  Fit(std::span<const BenchResult> results, const latency::Setup& setup)
      : results_(results), setup_(setup) {
    for (const auto& r : results) observations_.push_back(observations(r));
  }

  [[nodiscard]] Factors factors(const std::function<bool(const BenchResult&)>& wanted) const {
    std::vector<latency::Sample> samples;
    for (std::size_t i = 0; i < results_.size(); ++i)
      if (wanted(results_[i]))
        for (const auto& o : observations_[i]) samples.push_back({&o, &setup_});
    return latency::fit(samples, latency::Kernels::own);
  }

  [[nodiscard]] double predicted_ms(std::size_t i, const Factors& factors) const {
    const latency::Sample whole{&observations_[i].front(), &setup_};
    return fastest_ms(results_[i]) * std::exp(latency::log_error(whole, factors));
  }

  // Every result by a fit on the others.
  [[nodiscard]] std::vector<CalibrationCase> cases() const {
    const bool one_model = std::all_of(results_.begin(), results_.end(), [&](const auto& r) {
      return r.model == results_.front().model;
    });
    std::vector<CalibrationCase> cases;
    for (std::size_t i = 0; i < results_.size(); ++i) {
      const auto& r = results_[i];
      const auto others = factors([&](const BenchResult& other) {
        return one_model ? &other != &r : other.model != r.model;
      });
      cases.push_back({r.model, r.batch, fastest_ms(r), predicted_ms(i, others)});
    }
    return cases;
  }

 private:
  std::span<const BenchResult> results_;
  const latency::Setup& setup_;
  std::vector<std::vector<Observation>> observations_;
};

// The median error of FLOPs alone with the one rate that is best for these results.
double flops_only(std::span<const BenchResult> results) {
  std::vector<double> rates;
  for (const auto& r : results) rates.push_back(static_cast<double>(r.flops) / fastest_ms(r));
  const double rate = median(rates);
  for (auto& r : rates) r = 100 * std::abs(rate / r - 1);
  return median(rates);
}

// Student's t: nine in ten lie below it, with so many degrees of freedom.
double student_90(std::size_t freedom) {
  constexpr std::array<double, 10> kTable = {3.078, 1.886, 1.638, 1.533, 1.476,
                                             1.440, 1.415, 1.397, 1.383, 1.372};
  constexpr double kNormal = 1.2816;
  if (freedom <= kTable.size()) return kTable[freedom - 1];
  const auto n = static_cast<double>(freedom);
  return kNormal + (kNormal * kNormal * kNormal + kNormal) / (4 * n);  // Hill 1970, two terms
}

// Where the next ratio lies in 80 of 100 cases, if their logarithms are normally distributed: the
// prediction interval, wide for few cases.
void set_range(Calibration& c, const std::vector<CalibrationCase>& cases) {
  const auto n = static_cast<double>(cases.size());
  double mean = 0;
  for (const auto& one : cases) mean += std::log1p(one.error()) / n;
  double squares = 0;
  for (const auto& one : cases) squares += std::pow(std::log1p(one.error()) - mean, 2);
  const double spread = student_90(cases.size() - 1) * std::sqrt(squares / (n - 1) * (1 + 1 / n));
  // error() is that of the prediction; the range, of what is measured.
  c.range = c.near_range = {std::exp(-mean - spread), std::exp(-mean + spread)};
}

Calibration calibration(std::span<const BenchResult> results, const DeviceSpec& device,
                        const Fit& fit, const std::vector<CalibrationCase>& cases) {
  const auto& first = results.front();
  Calibration c;
  c.device = device.name;
  c.precision = precision_name(first.precision);
  c.run = fmt::format("{}-{}-{}-threads", device.name, c.precision, first.threads);
  c.batches = {first.batch, first.batch};
  for (const auto& r : results)
    c.batches = {std::min(c.batches.first, r.batch), std::max(c.batches.second, r.batch)};
  c.factors = fit.factors([](const BenchResult&) { return true; });
  std::vector<double> errors;
  for (const auto& one : cases) errors.push_back(100 * std::abs(one.error()));
  c.errors = {results.size(), cases.size(), quantile(errors, 0.5), quantile(errors, 0.9),
              flops_only(results)};
  set_range(c, cases);
  return c;
}

DeviceSpec limits(const BenchResult& r, const std::string& name, const std::string& version) {
  DeviceSpec d;
  d.name = name;
  d.title = fmt::format("{}, {} thread{}", r.machine.cpu, r.threads, r.threads == 1 ? "" : "s");
  if (const auto bytes = installed_memory()) d.memory = *bytes;
  d.machine.kind = MachineKind::cpu;
  d.machine.fp32 = 1e9 * r.machine.f32_gflops;
  d.machine.bf16 = 1e9 * r.machine.bf16_gflops;
  d.machine.bandwidth = 1e9 * r.machine.read_gb_per_s;
  d.machine.units = static_cast<std::uint64_t>(r.threads);
  d.source = fmt::format("measured by vitals {} on this machine, {}", version, r.engine);
  return d;
}

}  // namespace

const std::vector<std::string>& calibration_models() {
  static const std::vector<std::string> models = {
      "vit_tiny_patch16_224",   "vit_small_patch32_224",       "vit_small_patch16_224",
      "vit_base_patch32_224",   "deit3_medium_patch16_224",    "mixer_s16_224",
      "eva02_tiny_patch14_224", "swin_tiny_patch4_window7_224"};
  return models;
}

const std::vector<std::uint64_t>& calibration_batches() {
  static const std::vector<std::uint64_t> batches = {1, 8};
  return batches;
}

CalibratedMachine calibrate_machine(std::span<const BenchResult> results, const std::string& name,
                                    const std::string& version) {
  if (results.size() < 2)
    fail(
        "one measurement tells no error: give a second model or several --batch, or no model at "
        "all for a set of vitals' own");
  CalibratedMachine m;
  m.device = limits(results.front(), name, version);
  latency::Setup setup;
  setup.machine = m.device.machine;
  setup.peak = 1e9 * results.front().peak_gflops;
  const Fit fit(results, setup);
  m.cases = fit.cases();
  auto c = calibration(results, m.device, fit, m.cases);
  c.vitals = version;
  m.device.calibrations.push_back(std::move(c));
  return m;
}

}  // namespace vitals
