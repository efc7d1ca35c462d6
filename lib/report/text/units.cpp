#include "report/text/units.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace vitals {

std::string grouped(Count n) {
  auto digits = fmt::format("{}", n.value());
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

namespace {

bool all_digits = false;

std::string scaled(double value, double step, const char* const* units, std::size_t count) {
  if (all_digits && value >= 0 && value < 0x1p64) {
    const auto digits = grouped(Count(static_cast<std::uint64_t>(std::llround(value))));
    return *units[0] == '\0' ? digits : fmt::format("{} {}", digits, units[0]);
  }
  std::size_t i = 0;
  // Half of the last digit that is shown below a step is a step already: 999,960 is 1.00 M.
  while (std::abs(value) >= step - (i == 0 ? 0.5 : 0.05) && i + 1 < count) {
    value /= step;
    ++i;
  }
  if (i == 0) return fmt::format("{:.0f}{}{}", value, *units[0] != '\0' ? " " : "", units[0]);
  const int digits = std::abs(value) < 9.995 ? 2 : 1;
  return fmt::format("{:.{}f} {}", value, digits, units[i]);
}

}  // namespace

void show_all_digits() { all_digits = true; }

std::string si(double value) {
  static constexpr const char* kUnits[] = {"", "k", "M", "G", "T", "P", "E"};
  return scaled(value, 1000, kUnits, 7);
}

std::string binary_bytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  return scaled(bytes, 1024, kUnits, 7);
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string or_dash(Count n, std::string text) { return n == Count(0) ? "-" : std::move(text); }

std::string share_text(Count part, Count whole, std::uint64_t times) {
  const double all = part.as_double() * static_cast<double>(times);
  return or_dash(part, percent(all / std::max(whole.as_double(), 1.0)));
}

}  // namespace vitals
