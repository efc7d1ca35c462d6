// A number that counts the arithmetic done with it, for the proof that formulas count what is
// computed. Choices between values and changes of sign are free; constants cost nothing to make.
#pragma once

#include "cost/arithmetic.h"

#include <cmath>

namespace vitals::test {

// What has been counted since the last reset; the order of kArithmeticKinds.
struct Tally {
  std::uint64_t multiplications = 0, additions = 0, divisions = 0, exponentials = 0, logarithms = 0,
                error_functions = 0, tangents = 0, circular = 0, square_roots = 0, comparisons = 0;
};

class Counted {
 public:
  explicit Counted(double value) : value_(value) {}

  [[nodiscard]] double value() const { return value_; }
  [[nodiscard]] static Tally& tally() {
    static Tally tally;
    return tally;
  }

  friend Counted operator+(Counted a, Counted b) {
    return count(&Tally::additions, a.value_ + b.value_);
  }
  friend Counted operator-(Counted a, Counted b) {
    return count(&Tally::additions, a.value_ - b.value_);
  }
  friend Counted operator*(Counted a, Counted b) {
    return count(&Tally::multiplications, a.value_ * b.value_);
  }
  friend Counted operator/(Counted a, Counted b) {
    return count(&Tally::divisions, a.value_ / b.value_);
  }
  friend Counted operator-(Counted a) { return Counted(-a.value_); }
  friend bool operator<(Counted a, Counted b) {
    ++tally().comparisons;
    return a.value_ < b.value_;
  }
  friend Counted exp(Counted a) { return count(&Tally::exponentials, std::exp(a.value_)); }
  friend Counted log1p(Counted a) { return count(&Tally::logarithms, std::log1p(a.value_)); }
  friend bool operator==(Counted a, Counted b) {
    ++tally().comparisons;
    return a.value_ == b.value_;
  }
  friend Counted log(Counted a) { return count(&Tally::logarithms, std::log(a.value_)); }
  friend Counted tan(Counted a) { return count(&Tally::circular, std::tan(a.value_)); }
  friend Counted asin(Counted a) { return count(&Tally::circular, std::asin(a.value_)); }
  friend Counted acos(Counted a) { return count(&Tally::circular, std::acos(a.value_)); }
  friend Counted atan(Counted a) { return count(&Tally::circular, std::atan(a.value_)); }
  // Rounding is no arithmetic.
  friend Counted floor(Counted a) { return Counted(std::floor(a.value_)); }
  friend Counted ceil(Counted a) { return Counted(std::ceil(a.value_)); }
  friend Counted nearbyint(Counted a) { return Counted(std::nearbyint(a.value_)); }
  friend Counted erf(Counted a) { return count(&Tally::error_functions, std::erf(a.value_)); }
  friend Counted tanh(Counted a) { return count(&Tally::tangents, std::tanh(a.value_)); }
  friend Counted sin(Counted a) { return count(&Tally::circular, std::sin(a.value_)); }
  friend Counted cos(Counted a) { return count(&Tally::circular, std::cos(a.value_)); }
  friend Counted sqrt(Counted a) { return count(&Tally::square_roots, std::sqrt(a.value_)); }

 private:
  static Counted count(std::uint64_t Tally::*kind, double result) {
    ++(tally().*kind);
    return Counted(result);
  }

  double value_;
};

// The tally's figures beside the formulas that they must equal.
inline constexpr std::array<std::uint64_t Tally::*, kArithmeticKinds.size()> kTallies = {
    &Tally::multiplications, &Tally::additions,       &Tally::divisions, &Tally::exponentials,
    &Tally::logarithms,      &Tally::error_functions, &Tally::tangents,  &Tally::circular,
    &Tally::square_roots,    &Tally::comparisons};

}  // namespace vitals::test
