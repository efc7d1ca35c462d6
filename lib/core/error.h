// The one exception for faults of the user's input: command line, spec, weights, image.
// Thrown where the fault is known, given context on the way up, caught once in main.
#pragma once

#include "core/text.h"

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace vitals {

class Error : public std::runtime_error {
 public:
  // Messages quote what strangers wrote and end on terminals, so control characters are spelt out.
  explicit Error(std::string_view message) : std::runtime_error(printable(message)) {}

  // The same fault seen from further out: "my.json: /depth: must be at least 1".
  [[nodiscard]] Error within(const std::string& where) const {
    return Error(printable_line(where) + ": " + what());
  }
};

// A condition that the user asked for does not hold (exit code 3).
class ConditionFailed : public Error {
 public:
  using Error::Error;
};

// What a message quotes: a name from a file cannot end the message's line.
template <class T>
[[nodiscard]] decltype(auto) in_message(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>)
    return printable_line(std::string_view(value));
  else
    return (value);
}

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(fmt::runtime(format), in_message(args)...));
}

}  // namespace vitals
