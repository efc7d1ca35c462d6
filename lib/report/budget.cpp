#include "report/budget.h"

#include "core/error.h"
#include "core/suggest.h"
#include "report/units.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace vitals {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};

constexpr Suffix kCounts[] = {{"", 1},    {"k", 1e3},  {"M", 1e6},  {"G", 1e9},
                              {"B", 1e9}, {"T", 1e12}, {"P", 1e15}, {"E", 1e18}};
constexpr Suffix kBytes[] = {{"", 1},         {"B", 1},        {"kB", 1e3},    {"KB", 1e3},
                             {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},   {"k", 1e3},
                             {"M", 1e6},      {"G", 1e9},      {"T", 1e12},    {"KiB", 0x1p10},
                             {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
constexpr Suffix kSeconds[] = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}};

template <std::size_t N>
double factor_in(const Suffix (&suffixes)[N], std::string_view text) {
  for (const auto& s : suffixes)
    if (s.text == text) return s.factor;
  return 0;
}

double factor_of(BudgetUnit unit, std::string_view suffix) {
  switch (unit) {
    case BudgetUnit::count:
      return factor_in(kCounts, suffix);
    case BudgetUnit::bytes:
      return factor_in(kBytes, suffix);
    case BudgetUnit::seconds:
      return factor_in(kSeconds, suffix);
  }
  return 0;
}

std::string_view units_of(BudgetUnit unit) {
  switch (unit) {
    case BudgetUnit::count:
      return "a number, as it is or with k, M, G or T";
    case BudgetUnit::bytes:
      return "bytes, such as 16GiB (2^30) or 16GB (10^9)";
    case BudgetUnit::seconds:
      return "a time in s, ms or us";
  }
  return "";
}

std::string_view trimmed(std::string_view text) {
  const auto blank = " \t";
  const auto begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

const Quantity* find(const std::vector<Quantity>& all, std::string_view name) {
  const auto it = std::find_if(all.begin(), all.end(), [&](auto& q) { return q.name == name; });
  return it == all.end() ? nullptr : &*it;
}

double limit_of(std::string_view text, const Quantity& quantity, const std::string& whole) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto suffix = trimmed(text.substr(static_cast<std::size_t>(end - text.data())));
  const auto factor = factor_of(quantity.unit, suffix);
  if (code != std::errc() || !std::isfinite(number) || number < 0 || factor <= 0)
    fail("'{}': '{}' is no limit for {}; it takes {}", whole, text, quantity.name,
         units_of(quantity.unit));
  return number * factor;
}

std::string shown(const Quantity& q) {
  switch (q.unit) {
    case BudgetUnit::count:
      return grouped(Count(static_cast<std::uint64_t>(q.value)));
    case BudgetUnit::bytes:
      return fmt::format("{} ({} bytes)", binary_bytes(q.value),
                         grouped(Count(static_cast<std::uint64_t>(q.value))));
    case BudgetUnit::seconds:
      return fmt::format("{:.4g} ms", q.value * 1e3);
  }
  return "";
}

}  // namespace

FailCondition parse_fail_condition(const std::string& text, const std::vector<Quantity>& known) {
  const auto at = text.find_first_of("<>=!");
  const auto end = text.find_first_not_of("<>=!", at == std::string::npos ? 0 : at);
  if (at == std::string::npos || at == 0 || end == std::string::npos)
    fail("'{}' is no condition; write one such as '{} > {}'", text, known.front().name,
         known.front().unit == BudgetUnit::bytes ? "16GiB" : "90M");
  FailCondition c{text, std::string(trimmed(std::string_view(text).substr(0, at))),
                  text.substr(at, end - at), 0};
  constexpr std::string_view kComparisons[] = {">", ">=", "<", "<=", "==", "!="};
  if (std::find(std::begin(kComparisons), std::end(kComparisons), c.comparison) ==
      std::end(kComparisons))
    fail("'{}': there is no comparison '{}'; there is >, >=, <, <=, == and !=", text, c.comparison);
  const auto* quantity = find(known, c.name);
  if (quantity == nullptr) {
    std::vector<std::string> names;
    for (const auto& q : known) names.push_back(q.name);
    const auto hint = did_you_mean(c.name, names);
    fail("'{}': there is no figure '{}'{}", text, c.name,
         hint.empty() ? fmt::format("; there is {}", fmt::join(names, ", ")) : hint);
  }
  c.limit = limit_of(trimmed(std::string_view(text).substr(end)), *quantity, text);
  return c;
}

bool holds(const FailCondition& c, const std::vector<Quantity>& figures) {
  const auto value = find(figures, c.name)->value;
  if (c.comparison == ">") return value > c.limit;
  if (c.comparison == ">=") return value >= c.limit;
  if (c.comparison == "<") return value < c.limit;
  if (c.comparison == "<=") return value <= c.limit;
  if (c.comparison == "==") return value == c.limit;
  return value != c.limit;
}

std::string describe(const FailCondition& c, const std::vector<Quantity>& figures) {
  return fmt::format("{}: {} is {}", c.text, c.name, shown(*find(figures, c.name)));
}

}  // namespace vitals
