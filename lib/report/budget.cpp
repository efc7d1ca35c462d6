#include "report/budget.h"

#include "core/error.h"
#include "core/suggest.h"
#include "core/text.h"
#include "report/text/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace vitals {
namespace {

const Quantity* find(const std::vector<Quantity>& all, std::string_view name) {
  const auto it = std::find_if(all.begin(), all.end(), [&](auto& q) { return q.name == name; });
  return it == all.end() ? nullptr : &*it;
}

double limit_of(std::string_view text, const Quantity& quantity, const std::string& whole) {
  const auto amount = parse_amount(text, quantity.unit);
  if (!amount)
    fail("'{}': '{}' is no limit for {}; it takes {}", whole, text, quantity.name,
         amounts_of(quantity.unit));
  if (quantity.unit == Unit::bytes && !amount->suffix && amount->value != 0)
    fail("'{}': '{}' has no unit: write {}GB (10^9 bytes) or {}GiB (2^30 bytes)", whole, text, text,
         text);
  return amount->value;
}

std::string shown(const Quantity& q) {
  if (q.fact) return q.value != 0 ? "true" : "false";
  switch (q.unit) {
    case Unit::count:
      return grouped(Count(static_cast<std::uint64_t>(q.value)));
    case Unit::bytes:
      return fmt::format("{} ({} bytes)", binary_bytes(q.value),
                         grouped(Count(static_cast<std::uint64_t>(q.value))));
    case Unit::seconds:
      return fmt::format("{:.4g} ms", q.value * 1e3);
  }
  return "";
}

// "fits", "not fits"; null where the text names no fact.
std::optional<FailCondition> fact_of(const std::string& text, const std::vector<Quantity>& known) {
  auto name = trimmed(text);
  constexpr std::string_view kNot = "not ";
  const bool negated = name.starts_with(kNot);
  if (negated) name = trimmed(name.substr(kNot.size()));
  const auto* quantity = find(known, name);
  if (quantity == nullptr || !quantity->fact) return std::nullopt;
  return FailCondition{text, quantity->name, "==", negated ? 0.0 : 1.0};
}

}  // namespace

FailCondition parse_fail_condition(const std::string& text, const std::vector<Quantity>& known) {
  if (auto fact = fact_of(text, known)) return *fact;
  const auto at = text.find_first_of("<>=!");
  const auto end = text.find_first_not_of("<>=!", at == std::string::npos ? 0 : at);
  if (at == std::string::npos || at == 0 || end == std::string::npos)
    fail("'{}' is no condition; write one such as '{} > {}'", text, known.front().name,
         known.front().unit == Unit::bytes ? "16GiB" : "90M");
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
  if (quantity->fact)
    fail("'{}': {} is true or false; write '{}' or 'not {}'", text, c.name, c.name, c.name);
  c.limit = limit_of(trimmed(std::string_view(text).substr(end)), *quantity, text);
  return c;
}

bool holds(const FailCondition& c, const std::vector<Quantity>& figures) {
  const auto value = find(figures, c.name)->value;
  if (std::isnan(value))
    fail("'{}': {} is not known here: no device was named whose memory is stated", c.text, c.name);
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
