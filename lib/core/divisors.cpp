#include "core/divisors.h"

namespace vitals {

std::string nearest_divisors(std::uint64_t whole, std::uint64_t number) {
  if (number >= whole) return std::to_string(whole);
  auto below = number;
  while (whole % below != 0) --below;
  auto above = number;
  while (whole % above != 0) ++above;
  if (below == above) return std::to_string(below);
  return std::to_string(below) + " or " + std::to_string(above);
}

}  // namespace vitals
