// Runs through an ONNX model without data: every node is inferred in order, local functions are
// inlined, branches with a known condition taken, loops with a known trip count unrolled. What is
// left is a flat list of steps, and the numbers of shape arithmetic are gone into dimensions.
#pragma once

#include "frontends/onnx/value.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace vitals::onnx {

// What the dimensions that a file leaves open are.
struct Sizes {
  std::int64_t batch = 1;
  std::int64_t tokens = 0;  // 0: not stated
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::map<std::string, std::int64_t> named;  // by symbol, by "INPUT.AXIS" or by a scalar input
};

// Throws Error: a node that does not fit its inputs, a name that nothing defines, dimensions that
// neither the file nor `sizes` state (all of them, by name), a loop that does not end.
[[nodiscard]] Program expand(const Model& model, const Sizes& sizes);

}  // namespace vitals::onnx
