// The field's rule for the parameters of a plain stack, l(12h^2 + 13h) + Vh, and what a model has
// beyond it: positions, the last norm, an untied head, a patch embedding.
#pragma once

#include "cost/explain.h"

#include <optional>

namespace vitals {

// All parameters as the terms of the rule and those of each module that it leaves out. Nothing for
// other stacks, and where layers have fewer parameters than the rule says (no biases).
[[nodiscard]] std::optional<ExplainedQuantity> parameter_rule(const Graph& graph);

}  // namespace vitals
