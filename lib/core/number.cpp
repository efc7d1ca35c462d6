#include "core/number.h"

#include <cmath>
#include <cstdlib>
#include <string>

namespace vitals {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digits_from(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// Where the number that begins the text ends; 0: there is none.
std::size_t end_of_number(std::string_view text) {
  const std::size_t start = !text.empty() && text.front() == '-' ? 1 : 0;
  std::size_t end = digits_from(text, start);
  std::size_t digits = end - start;
  if (end < text.size() && text[end] == '.') {
    const auto fraction = digits_from(text, end + 1);
    digits += fraction - end - 1;
    end = fraction;
  }
  if (digits == 0) return 0;
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    auto exponent = end + 1;
    if (exponent < text.size() && (text[exponent] == '-' || text[exponent] == '+')) ++exponent;
    if (const auto last = digits_from(text, exponent); last > exponent) end = last;
  }
  return end;
}

}  // namespace

std::optional<NumberPrefix> number_at_start(std::string_view text) {
  const auto length = end_of_number(text);
  if (length == 0) return std::nullopt;
  // The C locale is the program's: nothing calls setlocale.
  const double value = std::strtod(std::string(text.substr(0, length)).c_str(), nullptr);
  if (!std::isfinite(value)) return std::nullopt;
  return NumberPrefix{value, length};
}

std::optional<double> parse_number(std::string_view text) {
  const auto number = number_at_start(text);
  if (!number || number->length != text.size()) return std::nullopt;
  return number->value;
}

}  // namespace vitals
