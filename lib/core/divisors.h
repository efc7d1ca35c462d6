// Which numbers divide another, for messages that say how to mend one that does not.
#pragma once

#include <cstdint>
#include <string>

namespace vitals {

// "6 or 8" for 192 and 7: the divisors of `whole` on both sides of `number`, or the one that there
// is. Both at least 1.
[[nodiscard]] std::string nearest_divisors(std::uint64_t whole, std::uint64_t number);

}  // namespace vitals
