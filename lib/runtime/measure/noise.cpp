#include "runtime/measure/bench.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace vitals {
namespace {

// Of the machine's time, as a user would have to know it to act.
std::optional<std::string> about_load(const LoadCounters& load) {
  constexpr double kBusy = 0.15;    // of one CPU
  constexpr double kStolen = 0.02;  // of the time
  if (load.wall_seconds <= 0) return std::nullopt;
  if (load.stolen_cpu_seconds && *load.stolen_cpu_seconds > kStolen * load.wall_seconds)
    return fmt::format(
        "The host of this virtual machine gave {:.0f} % of a CPU to others while measuring: the "
        "times are too long.",
        100 * *load.stolen_cpu_seconds / load.wall_seconds);
  if (!load.machine_cpu_seconds) return std::nullopt;
  const double others = (*load.machine_cpu_seconds - load.own_cpu_seconds) / load.wall_seconds;
  if (others < kBusy) return std::nullopt;
  return fmt::format(
      "Other programs kept {:.1f} CPUs busy while measuring: the times are too long. Stop them, or "
      "measure again later.",
      others);
}

// Tukey's far-out values: three interquartile ranges above the upper quartile.
std::optional<std::string> about_outliers(const std::vector<double>& ms) {
  if (ms.size() < 10) return std::nullopt;
  const double q1 = quantile(ms, 0.25);
  const double q3 = quantile(ms, 0.75);
  const double fence = q3 + 3 * std::max(q3 - q1, 0.01 * q3);
  const auto far = std::count_if(ms.begin(), ms.end(), [&](double v) { return v > fence; });
  if (static_cast<double>(far) < 0.02 * static_cast<double>(ms.size())) return std::nullopt;
  return fmt::format(
      "{} of {} runs are outliers (longer than {:.2f} ms): something disturbed them. The median "
      "is not moved by them, the mean is.",
      far, ms.size(), fence);
}

std::optional<std::string> about_drift(const std::vector<double>& ms) {
  constexpr double kDrift = 0.05;
  if (ms.size() < 30) return std::nullopt;
  const auto third = ms.size() / 3;
  const std::span<const double> all(ms);
  const double first = median(all.first(third));
  const double last = median(all.last(third));
  const double change = last / first - 1;
  if (std::abs(change) < kDrift) return std::nullopt;
  return fmt::format(
      "Runs became {:.0f} % {} from the first third to the last: the processor's clock or the "
      "load changed. Measure longer (--seconds), on a machine at rest.",
      100 * std::abs(change), change > 0 ? "slower" : "faster");
}

std::optional<std::string> about_precision(const Statistics& s) {
  constexpr double kWide = 0.05;
  const double half = (s.ci95_high - s.ci95_low) / 2 / s.median;
  if (s.runs >= 5 && half < kWide) return std::nullopt;
  if (s.runs < 5)
    return fmt::format(
        "Only {} {} measured: the figures are a first impression (--seconds, "
        "--runs).",
        s.runs, s.runs == 1 ? "run was" : "runs were");
  return fmt::format(
      "The median is known to no better than +-{:.0f} %: measure longer (--seconds).", 100 * half);
}

}  // namespace

std::vector<std::string> noise_warnings(const Measurement& m, const Statistics& latency_ms,
                                        int threads) {
  std::vector<std::string> warnings;
  const auto add = [&](std::optional<std::string> sentence) {
    if (sentence) warnings.push_back(std::move(*sentence));
  };
  if (!m.settled) warnings.emplace_back("The warm-up ended before the times had settled.");
  add(about_load(m.load));
  add(about_outliers(m.run_ms));
  add(about_drift(m.run_ms));
  add(about_precision(latency_ms));
  const double used = m.load.own_cpu_seconds;
  const double wanted = m.load.wall_seconds * threads;
  if (warnings.empty() && wanted > 0.5 && used < 0.85 * wanted)
    warnings.push_back(
        fmt::format("The {} threads got only {:.0f} % of the processor time that they could use.",
                    threads, 100 * used / wanted));
  return warnings;
}

}  // namespace vitals
