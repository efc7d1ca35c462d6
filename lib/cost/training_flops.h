// FLOPs of one training step, op by op: what the backward pass multiplies follows from who needs a
// gradient, not from a blind factor of 3.
#pragma once

#include "cost/formula.h"
#include "graph/graph.h"
#include "graph/recomputation.h"

#include <functional>

namespace vitals {

// FLOPs (two per multiply-accumulate) of matrix products and convolutions.
struct TrainingFlops {
  Count forward;
  Count grad_input;   // of activations
  Count grad_weight;  // of parameters
  Count recompute;    // forward work that is done again

  [[nodiscard]] Count total() const { return forward + grad_input + grad_weight + recompute; }
  TrainingFlops& operator+=(const TrainingFlops& other);
};

// The same of one node, as formulas.
struct TrainingFormulas {
  Formula forward;
  Formula grad_input;
  Formula grad_weight;
  Formula recompute;

  [[nodiscard]] TrainingFlops flops() const;
};

// Calls visit(node, formulas) for every node of a graph that was built for training. A gradient is
// computed only where the loss hangs on it and something trainable lies behind it: none for the
// image, none for frozen parameters. A fused attention computes its scores again in the backward
// pass (Dao et al. 2022, arXiv:2205.14135, algorithm 4); that counts as recomputed.
void visit_training(const Graph& graph, ActivationCheckpointing checkpoint,
                    const std::function<void(const Node&, const TrainingFormulas&)>& visit);

// Of the whole model.
[[nodiscard]] TrainingFlops training_flops(const Graph& graph, ActivationCheckpointing checkpoint);

}  // namespace vitals
