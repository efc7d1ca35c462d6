// What every op computes, in one line, and where that is defined: the sources that --explain and
// the documentation name.
#pragma once

#include "graph/op.h"

#include <string_view>

namespace vitals {

struct OpDefinition {
  std::string_view formula;  // "y = x W^T + b"
  std::string_view source;
};

[[nodiscard]] OpDefinition definition(const Op& op);

}  // namespace vitals
