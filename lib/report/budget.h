// Limits that a figure must not pass, for scripts: `params > 90M`. Parses and compares; knows no
// model.
#pragma once

#include "core/amount.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// A figure that a limit can be put on.
struct Quantity {
  std::string name;
  Unit unit = Unit::count;
  double value = 0;   // bytes and seconds without a prefix; NaN: this run has no such figure
  bool fact = false;  // true (1) or false (0): the condition is its name, or "not" and its name
};

// A statement about a figure that makes the command fail when it is true.
struct FailCondition {
  std::string text;  // as it was written
  std::string name;
  std::string comparison;  // >, >=, <, <=, == or !=
  double limit = 0;        // of a fact: what it is when the command fails
};

// "params > 90M", "memory >= 16GiB", "latency > 5ms", "not fits". Bytes need a unit. `known` are
// the figures that the command has, with their units. Throws Error.
[[nodiscard]] FailCondition parse_fail_condition(const std::string& text,
                                                 const std::vector<Quantity>& known);

// Whether it is true of the figures; the one that it names must be among them. Throws Error when
// this run has no such figure.
[[nodiscard]] bool holds(const FailCondition& condition, const std::vector<Quantity>& figures);

// "params > 90M: params is 86,567,656".
[[nodiscard]] std::string describe(const FailCondition& condition,
                                   const std::vector<Quantity>& figures);

}  // namespace vitals
