// What is said of an input that is refused.
#pragma once

#include "core/error.h"

#include <string>

namespace vitals::test {

// The message of the Fault that `act` throws; empty where it throws none.
template <class Fault = Error, class F>
[[nodiscard]] std::string refusal(F&& act) {
  try {
    (void)act();
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

}  // namespace vitals::test
