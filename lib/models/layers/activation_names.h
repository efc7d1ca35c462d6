// What specs, timm and Hugging Face's configs call the activations, and what torchsummary calls
// them.
#pragma once

#include "graph/op.h"

#include <string_view>
#include <vector>

namespace vitals {

// The activation that a spec names: "gelu", "SiLU", ... ; throws Error for an unknown name.
[[nodiscard]] op::ActivationKind activation_kind(std::string_view name);
[[nodiscard]] std::string_view activation_type(op::ActivationKind kind);  // "GELU", "SiLU"
// All names that activation_kind takes, lower case.
[[nodiscard]] const std::vector<std::string_view>& activation_names();

}  // namespace vitals
