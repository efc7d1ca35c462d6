// Amounts as people write them: "300B" tokens, "16GiB", "5ms".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vitals {

enum class Unit : std::uint8_t {
  count,    // k, M, G or B, T, P, E: powers of 1000; no suffix needed
  bytes,    // kB, MB, GB, TB: powers of 1000; KiB, MiB, GiB, TiB: of 1024; the B may be left out
  seconds,  // s, ms, us, ns
};

struct Amount {
  double value = 0;     // counts, bytes or seconds; finite and not negative
  bool suffix = false;  // whether one was written
};

// Null for anything else. Blanks may stand around the number; letters may be small or capital, but
// for times.
[[nodiscard]] std::optional<Amount> parse_amount(std::string_view text, Unit unit);

// What it takes, for a message: "a number, as it is or with k, M, G or T".
[[nodiscard]] std::string_view amounts_of(Unit unit);

}  // namespace vitals
