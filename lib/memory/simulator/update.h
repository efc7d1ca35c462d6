// The optimizer's step: the temporaries of torch.optim's loops, of all parameters at once or of one
// after the other. Knows sizes, no tensors.
#pragma once

#include "memory/simulator/recipe.h"

namespace vitals::eager {

// `updated` are the parameters that have a gradient, in model.parameters() order.
void run_update(const Graph& graph, const StepOptions& options, const std::vector<ParamId>& updated,
                Memory& memory);

}  // namespace vitals::eager
