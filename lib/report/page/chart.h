// An area chart for the terminal. Knows numbers and labels.
#pragma once

#include <string>
#include <vector>

namespace vitals {

struct ChartSection {
  std::string label;           // below the section
  std::vector<double> values;  // in order
};

// Sections side by side, each as wide as its share of the values, or as its label needs, which is
// cut where all cannot have that; a column shows its highest value. All of it takes at most `width`
// columns, the vertical axis included, whose numbers `unit` writes.
[[nodiscard]] std::string area_chart(const std::vector<ChartSection>& sections, std::size_t width,
                                     std::size_t height, std::string (*unit)(double));

}  // namespace vitals
