#include "core/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>

namespace vitals {
namespace {

// The first character of a text. `code` is kNotUtf8 for a byte that begins no character of UTF-8.
struct Character {
  std::size_t bytes = 1;
  char32_t code = 0;
};
constexpr char32_t kNotUtf8 = 0xffffffff;

// Overlong forms, surrogates and numbers above U+10FFFF are not UTF-8 (RFC 3629).
Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {1, kNotUtf8};
  char32_t code = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {1, kNotUtf8};
    code = code << 6U | (byte(i) & 0x3fU);
  }
  constexpr char32_t kLeast[] = {0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kLeast[length - 2] || surrogate || code > 0x10ffff) return {1, kNotUtf8};
  return {length, code};
}

// What moves the cursor, ends a line or reorders the text around it (Unicode's bidirectional
// controls, UAX #9), or is not seen at all.
bool is_unsafe(char32_t code) {
  struct Range {
    char32_t first;
    char32_t last;
  };
  constexpr Range kUnsafe[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c},
                               {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
                               {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {kNotUtf8, kNotUtf8}};
  return std::any_of(std::begin(kUnsafe), std::end(kUnsafe),
                     [&](const Range& r) { return code >= r.first && code <= r.last; });
}

bool is_plain_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::string spelt_out(std::string_view text, bool keeps_line_ends) {
  if (is_plain_ascii(text)) return std::string(text);
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const auto c = first_of(text);
    const bool kept = !is_unsafe(c.code) || (keeps_line_ends && c.code == '\n');
    if (kept)
      result += text.substr(0, c.bytes);
    else if (c.bytes == 1)
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    else
      result += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c.code));
    text.remove_prefix(c.bytes);
  }
  return result;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

std::string folded_name(std::string_view text) {
  auto result = lower_case(text);
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c == '-' || c == ' '; }, '_');
  return result;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string printable(std::string_view text) { return spelt_out(text, true); }

std::string printable_line(std::string_view text) { return spelt_out(text, false); }

bool is_printable_line(std::string_view text) {
  if (is_plain_ascii(text)) return true;
  for (; !text.empty(); text.remove_prefix(first_of(text).bytes))
    if (is_unsafe(first_of(text).code)) return false;
  return true;
}

}  // namespace vitals
