// Texts on a terminal: how many columns they take, and where they may be broken. Knows no tables.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// Columns that a UTF-8 text takes on a terminal: two for a wide East Asian character, none for a
// combining one. A byte that is no UTF-8 takes one.
[[nodiscard]] std::size_t columns_of(std::string_view text);

// Columns of the longest part that folded() breaks only if it must: a number with its unit, a part
// of a path.
[[nodiscard]] std::size_t longest_piece(std::string_view text);

// Lines of at most `width` columns: broken at blanks, else after . , : / _ - and inside CamelCase,
// never inside a number or before its unit, and only where nothing else helps in the middle of a
// word. Lines after the first are indented as the first one, and by `hanging` blanks more.
[[nodiscard]] std::vector<std::string> folded(std::string_view text, std::size_t width,
                                              std::size_t hanging = 0);

// Every line of a text of sentences, folded to `width` columns (0: left as it is). The text behind
// a label ("memory      predicted ...") stays behind it.
[[nodiscard]] std::string wrapped(const std::string& text, std::size_t width);

}  // namespace vitals
