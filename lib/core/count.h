// An exact, overflow-checked count (parameters, MACs, bytes). A product that does not fit into
// 64 bits throws; whoever knows the node adds its name. It must never wrap silently.
#pragma once

#include "core/error.h"

#include <fmt/core.h>

#include <cmath>
#include <compare>
#include <cstdint>

namespace vitals {

class Count {
 public:
  constexpr Count(std::uint64_t value = 0) : value_(value) {}  // NOLINT: a count is a number

  [[nodiscard]] constexpr std::uint64_t value() const { return value_; }
  [[nodiscard]] constexpr double as_double() const { return static_cast<double>(value_); }

  // The nearest count to a number.
  [[nodiscard]] static Count rounded(double value) {
    if (!(value > -0.5 && value < 0x1p64)) overflow();
    return static_cast<std::uint64_t>(std::round(value));
  }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the compiler's own 0 for a pointer
  friend constexpr auto operator<=>(Count, Count) = default;

  friend Count operator+(Count a, Count b) {
    std::uint64_t sum = 0;
    if (__builtin_add_overflow(a.value_, b.value_, &sum)) overflow();
    return sum;
  }
  friend Count operator*(Count a, Count b) {
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(a.value_, b.value_, &product)) overflow();
    return product;
  }
  // Subtraction below zero is a bug of ours or an absurd input; either must not wrap.
  friend Count operator-(Count a, Count b) {
    if (b.value_ > a.value_) overflow();
    return a.value_ - b.value_;
  }
  friend Count operator/(Count a, Count b) { return a.value_ / b.value_; }
  Count& operator+=(Count other) { return *this = *this + other; }
  Count& operator*=(Count other) { return *this = *this * other; }

 private:
  [[noreturn]] static void overflow() {
    throw Error("a count does not fit into 64 bits: the sizes are too large");
  }

  std::uint64_t value_;
};

}  // namespace vitals

template <>
struct fmt::formatter<vitals::Count> : fmt::formatter<std::uint64_t> {
  auto format(vitals::Count count, fmt::format_context& context) const
      -> fmt::format_context::iterator;
};
