// The clock that everything here is measured with.
#pragma once

#include <chrono>

namespace vitals {

using Clock = std::chrono::steady_clock;

[[nodiscard]] inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace vitals
