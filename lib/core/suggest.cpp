#include "core/suggest.h"

#include "core/text.h"

#include <algorithm>

namespace vitals {
namespace {

// Names are not longer; what is would take its time.
std::string compared(std::string_view text) { return folded_name(text.substr(0, 128)); }

// Optimal string alignment distance (Levenshtein with transpositions of neighbours).
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::vector<std::string> nearest(std::string_view wanted, const std::vector<std::string>& known,
                                 std::size_t most) {
  const auto want = compared(wanted);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& name : known) {
    const auto have = compared(name);
    auto rank = 2 * distance(want, have);
    const auto limit = 2 * std::max<std::size_t>(2, std::max(want.size(), have.size()) / 3);
    const bool contains = want.size() >= 3 && have.find(want) != std::string::npos;
    if (contains) rank = std::min<std::size_t>(rank, 3);
    if (rank <= limit) ranked.emplace_back(rank, name);
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
