#include "core/suggest.h"

#include "core/text.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace vitals {
namespace {

constexpr std::size_t kLongest = 128;  // names are not longer; what is would take its time

std::string compared(std::string_view text) { return folded_name(text.substr(0, kLongest)); }

// Optimal string alignment distance (Levenshtein with transpositions of neighbours).
std::size_t distance(std::string_view a, std::string_view b) {
  using Row = std::array<std::size_t, kLongest + 1>;
  Row rows[3];
  Row* before = &rows[0];
  Row* last = &rows[1];
  Row* row = &rows[2];
  std::iota(last->begin(), last->end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    (*row)[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      auto& d = (*row)[j];
      d = std::min({(*last)[j] + 1, (*row)[j - 1] + 1, (*last)[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d = std::min(d, (*before)[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return (*last)[b.size()];
}

}  // namespace

std::vector<std::string> nearest(std::string_view wanted, const std::vector<std::string>& known,
                                 std::size_t most) {
  const auto want = compared(wanted);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& name : known) {
    const auto have = compared(name);
    const auto [shorter, longer] = std::minmax({want.size(), have.size()});
    const auto limit = std::max<std::size_t>(2, longer / 3);
    const bool contains = want.size() >= 3 && have.find(want) != std::string::npos;
    if (longer - shorter > limit && !contains) continue;  // so far apart are they at least
    auto rank = 2 * distance(want, have);
    if (contains) rank = std::min<std::size_t>(rank, 3);
    if (rank <= 2 * limit) ranked.emplace_back(rank, name);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> result;
  for (std::size_t i = 0; i < std::min(most, ranked.size()); ++i)
    result.push_back(ranked[i].second);
  return result;
}

std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& known) {
  const auto names = nearest(wanted, known);
  if (names.empty()) return "";
  std::string text = "; did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += "'" + names[i] + "'";
  }
  return text + "?";
}

}  // namespace vitals
