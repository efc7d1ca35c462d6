#include "core/amount.h"

#include "core/number.h"
#include "core/text.h"

#include <cmath>
#include <span>

namespace vitals {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};

constexpr Suffix kCounts[] = {{"k", 1e3},  {"m", 1e6},  {"g", 1e9}, {"b", 1e9},
                              {"t", 1e12}, {"p", 1e15}, {"e", 1e18}};
constexpr Suffix kBytes[] = {{"b", 1},       {"kb", 1e3},     {"mb", 1e6},     {"gb", 1e9},
                             {"tb", 1e12},   {"k", 1e3},      {"m", 1e6},      {"g", 1e9},
                             {"t", 1e12},    {"kib", 0x1p10}, {"mib", 0x1p20}, {"gib", 0x1p30},
                             {"tib", 0x1p40}};
constexpr Suffix kSeconds[] = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}};

std::span<const Suffix> suffixes_of(Unit unit) {
  switch (unit) {
    case Unit::count:
      return kCounts;
    case Unit::bytes:
      return kBytes;
    case Unit::seconds:
      return kSeconds;
  }
  return {};
}

// Null where there is no such suffix.
std::optional<double> factor_of(std::string_view suffix, Unit unit) {
  const auto folded = unit == Unit::seconds ? std::string(suffix) : lower_case(suffix);
  for (const auto& s : suffixes_of(unit))
    if (s.text == folded) return s.factor;
  if (suffix.empty() && unit != Unit::seconds) return 1;
  return std::nullopt;
}

}  // namespace

std::optional<Amount> parse_amount(std::string_view text, Unit unit) {
  text = trimmed(text);
  const auto number = number_at_start(text);
  if (!number) return std::nullopt;
  const auto suffix = trimmed(text.substr(number->length));
  const auto factor = factor_of(suffix, unit);
  const auto value = number->value * factor.value_or(0);
  if (!factor || !std::isfinite(value) || std::signbit(value)) return std::nullopt;
  return Amount{value, !suffix.empty()};
}

std::string_view amounts_of(Unit unit) {
  switch (unit) {
    case Unit::count:
      return "a number, as it is or with k, M, G or T";
    case Unit::bytes:
      return "bytes, such as 16GiB (2^30) or 16GB (10^9)";
    case Unit::seconds:
      return "a time in s, ms or us";
  }
  return "";
}

}  // namespace vitals
