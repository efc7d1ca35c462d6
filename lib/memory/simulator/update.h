// The optimizer's step: the temporaries of torch.optim's single-tensor loops, parameter by
// parameter. Knows sizes, no tensors.
#pragma once

#include "memory/simulator/recipe.h"

namespace vitals::eager {

// `updated` are the parameters that have a gradient, in model.parameters() order.
void run_update(const Graph& graph, const StepOptions& options, const std::vector<ParamId>& updated,
                Memory& memory);

}  // namespace vitals::eager
