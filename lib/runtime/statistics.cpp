#include "runtime/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace vitals {
namespace {

double sorted_quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return sorted[below] + part * (sorted[above] - sorted[below]);
}

// How many of n values lie below the median varies as a fair coin: ranks n/2 -+ 1.96 sqrt(n)/2
// enclose it in 95 of 100 cases (Conover 1999, Practical Nonparametric Statistics, 3.2).
void add_interval(Statistics& s, const std::vector<double>& sorted) {
  const auto n = static_cast<double>(sorted.size());
  const double half = 0.98 * std::sqrt(n);
  const auto low = std::max(0.0, std::floor(n / 2 - half));
  const auto high = std::min(n - 1, std::ceil(n / 2 + half));
  s.ci95_low = sorted[static_cast<std::size_t>(low)];
  s.ci95_high = sorted[static_cast<std::size_t>(high)];
}

}  // namespace

Statistics statistics(std::span<const double> values) {
  assert(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  Statistics s;
  s.runs = sorted.size();
  s.min = sorted.front();
  s.median = sorted_quantile(sorted, 0.5);
  s.p95 = sorted_quantile(sorted, 0.95);
  for (double v : sorted) s.mean += v;
  s.mean /= static_cast<double>(s.runs);
  double squares = 0;
  for (double v : sorted) squares += (v - s.mean) * (v - s.mean);
  if (s.runs > 1) s.stddev = std::sqrt(squares / static_cast<double>(s.runs - 1));
  add_interval(s, sorted);
  return s;
}

double quantile(std::vector<double> values, double q) {
  assert(!values.empty());
  std::sort(values.begin(), values.end());
  return sorted_quantile(values, q);
}

double median(std::span<const double> values) {
  return quantile({values.begin(), values.end()}, 0.5);
}

}  // namespace vitals
