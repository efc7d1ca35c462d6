// Optimizers as data: the states that each keeps for a parameter and what its step allocates, with
// sources. Knows no model.
#pragma once

#include "core/count.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "cost/formula.h"
#include "graph/graph.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// What one parameter's update makes of the parameter's own size, in PyTorch's single-tensor loops.
enum class StepTemporaries : std::uint8_t {
  none,
  adam,  // sqrt(v), then that / sqrt(bias correction) + eps, which stays bound until the next one
  two,   // two at once, both gone before the next parameter
  muon,  // the update, and a Newton-Schulz iteration in bf16
};

enum class StateForm : std::uint8_t {
  full,       // `states` tensors like the parameter
  eight_bit,  // `states` tensors of one byte an element, and an fp32 maximum for every block of
              // them
  factored,   // row and column sums of matrices; a full tensor for vectors
};

struct Optimizer {
  std::string_view name;
  unsigned states = 0;
  StateForm form = StateForm::full;
  std::uint64_t step_bytes = 0;  // a step counter for each parameter tensor
  StepTemporaries temporaries = StepTemporaries::none;
  bool updates = true;
  std::string_view source;
  // States of large parameters lie in memory that the driver moves between host and device: they
  // are no allocation of PyTorch's, and leave a device that is full.
  bool paged = false;
  // Only matrices of hidden layers are updated so; all other parameters as AdamW does.
  bool matrices_only = false;
};

[[nodiscard]] std::span<const Optimizer> optimizers();
// Throws Error that names the known ones.
[[nodiscard]] const Optimizer& optimizer(std::string_view name);
[[nodiscard]] std::vector<std::string> optimizer_names();

// The rule by which this parameter is updated: the optimizer itself, or AdamW beside it.
[[nodiscard]] const Optimizer& optimizer_for(const Optimizer& optimizer, const Param& param);
// Bytes of the states of one parameter, its step counter included; master weights and
// paged states are not.
[[nodiscard]] Formula state_formula(const Optimizer& optimizer, const Shape& param, DType dtype);
[[nodiscard]] Count state_bytes(const Optimizer& optimizer, const Shape& param, DType dtype);

}  // namespace vitals
