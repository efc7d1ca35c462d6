// The dense layer by oneDNN's matmul: weights in the layout that the library chooses, bias,
// activation, gate, LayerScale and residual as its post-ops.
// Must not know of other layers; one object is one layer's weights and its present plan.
#pragma once

#include "runtime/kernels/linear.h"

#include <memory>

namespace vitals {

class OnednnLinear {
 public:
  OnednnLinear(Engine& engine, WeightStore& store, const LinearShape& shape,
               const LinearOptions& options, const LinearWeights& weights);
  ~OnednnLinear();
  void run(Engine& engine, const LinearOperands& operands);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vitals
