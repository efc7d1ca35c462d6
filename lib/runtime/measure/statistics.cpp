#include "runtime/measure/statistics.h"

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

// How many of n values lie below the median varies as n tosses of a fair coin (Conover 1999,
// Practical Nonparametric Statistics, 3.2): how many values may be left out at each end, so that
// the rest encloses the median in 95 of 100 cases.
std::size_t left_out(std::size_t n) {
  const auto values = static_cast<double>(n);
  if (n > 1000)  // where the normal distribution is as good, and 2^-n no number
    return static_cast<std::size_t>((values - 1.96 * std::sqrt(values)) / 2);
  double chance = std::pow(0.5, values);  // of exactly `below` values below the median
  double sum = chance;                    // of at most so many
  std::size_t below = 0;
  while (sum <= 0.025) {
    ++below;
    chance *= (values - static_cast<double>(below) + 1) / static_cast<double>(below);
    sum += chance;
  }
  return below > 0 ? below - 1 : 0;
}

void add_interval(Statistics& s, const std::vector<double>& sorted) {
  const auto out = left_out(sorted.size());
  s.ci95_low = sorted[out];
  s.ci95_high = sorted[sorted.size() - 1 - out];
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
