// "Did you mean": the known names nearest to one that is not known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// At most `most` of the known names, nearest first (edit distance with transpositions; a known name
// that contains the wanted one counts as near). Empty when nothing is near.
[[nodiscard]] std::vector<std::string> nearest(std::string_view wanted,
                                               const std::vector<std::string>& known,
                                               std::size_t most = 3);

// "; did you mean 'a', 'b' or 'c'?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view wanted,
                                       const std::vector<std::string>& known);

}  // namespace vitals
