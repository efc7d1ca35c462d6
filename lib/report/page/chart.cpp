#include "report/page/chart.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

constexpr const char* kHeights[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

// The highest value of each column.
std::vector<double> highest_by_column(const std::vector<double>& values, std::size_t width) {
  std::vector<double> columns(width, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    // Every column has a value, also where there are fewer values than columns.
    const auto first = i * width / values.size();
    const auto last = std::max(first + 1, (i + 1) * width / values.size());
    for (auto c = first; c < last; ++c) columns[c] = std::max(columns[c], values[i]);
  }
  return columns;
}

// What the sections take of `width`: what their labels need, and the rest by their values.
std::vector<std::size_t> widths_of(const std::vector<ChartSection>& sections, std::size_t count,
                                   std::size_t width) {
  const auto least = [&](const ChartSection& s) {
    return std::clamp<std::size_t>(width / sections.size(), 4, s.label.size() + 3);
  };
  std::vector<std::size_t> widths;
  std::size_t used = 0;
  for (const auto& s : sections) {
    widths.push_back(s.values.empty() ? 0 : std::max(least(s), width * s.values.size() / count));
    used += widths.back();
  }
  while (used > width) {  // labels took more than their share: the widest section gives way
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= least(sections[static_cast<std::size_t>(widest - widths.begin())])) break;
    --*widest;
    --used;
  }
  return widths;
}

}  // namespace

std::string area_chart(const std::vector<ChartSection>& sections, std::size_t width,
                       std::size_t height, std::string (*unit)(double)) {
  std::size_t count = 0;
  double top = 0;
  for (const auto& s : sections) {
    count += s.values.size();
    for (const auto v : s.values) top = std::max(top, v);
  }
  if (count == 0 || top <= 0) return "";
  const auto axis = std::max(unit(top).size(), unit(top / 2).size());
  const auto parts = widths_of(sections, count, width - std::min(width, axis + 2));
  std::vector<double> columns;
  std::string labels;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const auto& s = sections[i];
    if (s.values.empty()) continue;
    const auto own = highest_by_column(s.values, parts[i]);
    columns.insert(columns.end(), own.begin(), own.end());
    labels += fmt::format("└{:─<{}}", " " + s.label.substr(0, parts[i] - 3) + " ", parts[i] - 1);
  }
  std::string text;
  for (std::size_t row = height; row-- > 0;) {
    const auto share = static_cast<double>(row + 1) / static_cast<double>(height);
    const bool marked = row + 1 == height || row + 1 == height / 2;
    text += fmt::format("{:>{}} ┤", marked ? unit(top * share) : "", axis);
    std::string line;
    for (const auto v : columns) {
      const auto eighths = v / top * static_cast<double>(height) * 8 - static_cast<double>(row * 8);
      line += kHeights[static_cast<std::size_t>(std::clamp(std::ceil(eighths), 0.0, 8.0))];
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + '\n';
  }
  return text + std::string(axis + 2, ' ') + labels + '\n';
}

}  // namespace vitals
