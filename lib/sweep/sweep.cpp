#include "sweep/sweep.h"

#include "core/error.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

namespace vitals {

Count Sweep::points() const {
  Count all = models.size();
  for (const auto& axis : axes) all = all * Count(axis.values.size());
  return all;
}

SweepPoint sweep_point(const Sweep& sweep, std::uint64_t index) {
  SweepPoint point;
  point.values.resize(sweep.axes.size());
  for (auto i = sweep.axes.size(); i-- > 0;) {
    const auto count = sweep.axes[i].values.size();
    point.values[i] = index % count;
    index /= count;
  }
  point.model = index;
  return point;
}

std::uint64_t Shard::points(std::uint64_t all) const {
  return all < number ? 0 : (all - number) / of + 1;
}

namespace {

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

bool beats(const std::vector<double>& a, const std::vector<double>& b) {
  bool better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

}  // namespace

Shard parse_shard(const std::string& text) {
  const auto slash = text.find('/');
  const auto number = whole_number(std::string_view(text).substr(0, slash));
  const auto of = slash == std::string::npos
                      ? std::nullopt
                      : whole_number(std::string_view(text).substr(slash + 1));
  if (!number || !of || *number == 0 || *number > *of)
    fail("'{}' is no shard; write K/N, with K from 1 to N", text);
  return {*number, *of};
}

std::vector<std::size_t> pareto_front(const std::vector<std::vector<double>>& costs) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < costs.size(); ++i)
    if (std::none_of(costs[i].begin(), costs[i].end(), [](double x) { return std::isnan(x); }))
      order.push_back(i);
  // In this order nothing is beaten by what follows it.
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return costs[a] < costs[b]; });
  std::vector<std::size_t> front;
  for (const auto i : order)
    if (std::none_of(front.begin(), front.end(),
                     [&](std::size_t kept) { return beats(costs[kept], costs[i]); }))
      front.push_back(i);
  std::sort(front.begin(), front.end());
  return front;
}

}  // namespace vitals
