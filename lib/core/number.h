// Decimal numbers in text. As std::from_chars reads them, which not every standard library has for
// double; the locale changes nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace vitals {

struct NumberPrefix {
  double value = 0;
  std::size_t length = 0;  // characters that it takes
};

// The number that a text begins with: digits with an optional minus, fraction and exponent. Nothing
// for other beginnings ("+1", " 1", "inf") and for what a double cannot hold.
[[nodiscard]] std::optional<NumberPrefix> number_at_start(std::string_view text);

// The text as a number, if it is one as a whole.
[[nodiscard]] std::optional<double> parse_number(std::string_view text);

}  // namespace vitals
