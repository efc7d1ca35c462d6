#include "core/text.h"

#include <algorithm>
#include <cctype>

namespace vitals {

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string folded_name(std::string_view text) {
  auto result = lower_case(text);
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c == '-' || c == ' '; }, '_');
  return result;
}

}  // namespace vitals
