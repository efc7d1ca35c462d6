// What a row of measurements says. Knows numbers only.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace vitals {

// So few that least and largest enclose the median in 95 of 100 cases.
inline constexpr std::size_t kFewestForInterval = 6;

struct Statistics {
  double min = 0;
  double median = 0;
  double p95 = 0;
  double mean = 0;
  double stddev = 0;  // of the sample, n - 1
  // Of the median, from order statistics: no assumption on the distribution. Below
  // kFewestForInterval runs least and largest, which enclose it less often.
  double ci95_low = 0;
  double ci95_high = 0;
  std::size_t runs = 0;
};

// Of at least one value.
[[nodiscard]] Statistics statistics(std::span<const double> values);

// The q-quantile, 0 <= q <= 1, by linear interpolation between neighbours (numpy's default).
[[nodiscard]] double quantile(std::vector<double> values, double q);
[[nodiscard]] double median(std::span<const double> values);

}  // namespace vitals
