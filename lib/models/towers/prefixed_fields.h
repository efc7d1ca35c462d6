// The fields of a part of a config with the part's name before theirs: "text_", "vision_".
#pragma once

#include "core/error.h"
#include "models/field.h"

#include <string_view>
#include <vector>

namespace vitals {

// The names live as long as the program.
[[nodiscard]] std::vector<Field> prefixed(std::vector<Field> fields, std::string_view prefix);

// Runs `check` and tells a fault of a field under its name with the prefix.
template <class F>
void under_prefix(std::string_view prefix, F&& check) {
  try {
    check();
  } catch (const Error& error) {
    const std::string_view message = error.what();
    if (!message.starts_with('/')) throw;
    fail("/{}{}", prefix, message.substr(1));
  }
}

}  // namespace vitals
