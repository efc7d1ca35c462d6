// What modules cost in a forward pass and in a training step: the sums behind every report by
// module.
#pragma once

#include "cost/rollup.h"
#include "cost/training_flops.h"
#include "graph/graph.h"

namespace vitals {

struct ModuleCosts {
  Rollup macs;
  Rollup bytes;  // moved, see traffic.h
};
[[nodiscard]] ModuleCosts module_costs(const Graph& graph);

// FLOPs of a training step, by the modules of `graph`. `training` is the same model built for
// training; its modules are found by path, and one that runs in training alone gives its FLOPs to
// the nearest module above it that `graph` has.
[[nodiscard]] Rollup training_by_module(const Graph& training, ActivationCheckpointing checkpoint,
                                        const Graph& graph);

}  // namespace vitals
