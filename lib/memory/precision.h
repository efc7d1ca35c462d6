// Precision recipes as data: which types weights, gradients and computations have, with the source
// of each. Knows no model.
#pragma once

#include "core/dtype.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// fp32 gradients beside those of the weights' type.
enum class MainGradients : std::uint8_t {
  none,
  instead,  // a resident fp32 buffer into which every gradient is added; no other is kept
  at_step,  // fp32 copies, made by the optimizer step
};

struct Precision {
  std::string_view name;
  DType weights = DType::f32;  // and of the gradients that autograd keeps
  bool autocast = false;       // weights stay; products run in a lower type
  bool master_weights = false;
  MainGradients main_gradients = MainGradients::none;
  DType states = DType::f32;  // of the optimizer
  std::string_view doc;
  std::string_view source;
};

[[nodiscard]] std::span<const Precision> precisions();
// Throws Error that names the known ones.
[[nodiscard]] const Precision& precision(std::string_view name);
[[nodiscard]] std::vector<std::string> precision_names();

}  // namespace vitals
