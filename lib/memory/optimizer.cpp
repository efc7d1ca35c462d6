#include "memory/optimizer.h"

#include "core/suggest.h"

namespace vitals {
namespace {

// Dettmers et al. 2022: states are quantised in blocks of 2048; tensors below 4096 elements stay in
// 32 bits (bitsandbytes, min_8bit_size).
constexpr std::uint64_t kEightBitBlock = 2048;
constexpr std::uint64_t kEightBitLeast = 4096;
// bitsandbytes, optim/optimizer.py, get_state_buffer: smaller states are not paged.
constexpr std::uint64_t kPagedLeast = 100'000;

constexpr Optimizer kOptimizers[] = {
    {"none", 0, StateForm::full, 0, StepTemporaries::none, false, "no step is taken"},
    {"sgd", 0, StateForm::full, 0, StepTemporaries::none, true, "torch.optim.SGD"},
    {"momentum", 1, StateForm::full, 0, StepTemporaries::none, true,
     "torch.optim.SGD(momentum=0.9): momentum_buffer"},
    {"adam", 2, StateForm::full, 4, StepTemporaries::adam, true,
     "Kingma and Ba 2015, arXiv:1412.6980; torch.optim.Adam: exp_avg, exp_avg_sq, fp32 step"},
    {"adamw", 2, StateForm::full, 4, StepTemporaries::adam, true,
     "Loshchilov and Hutter 2019, arXiv:1711.05101; torch.optim.AdamW: exp_avg, exp_avg_sq, fp32 "
     "step"},
    {"adamw8bit", 2, StateForm::eight_bit, 0, StepTemporaries::none, true,
     "Dettmers et al. 2022, arXiv:2110.02861; bitsandbytes AdamW8bit"},
    {"paged-adamw8bit", 2, StateForm::eight_bit, 0, StepTemporaries::none, true,
     "bitsandbytes PagedAdamW8bit: optim/optimizer.py, get_state_buffer", true},
    {"paged-adamw32bit", 2, StateForm::full, 0, StepTemporaries::none, true,
     "bitsandbytes PagedAdamW32bit: optim/optimizer.py, get_state_buffer", true},
    {"muon", 1, StateForm::full, 0, StepTemporaries::muon, true,
     "torch.optim.Muon (torch/optim/_muon.py): momentum_buffer of hidden matrices; AdamW for the "
     "rest",
     false, true},
    {"adafactor", 1, StateForm::factored, 0, StepTemporaries::two, true,
     "Shazeer and Stern 2018, arXiv:1804.04235, without momentum"},
    {"lion", 1, StateForm::full, 0, StepTemporaries::two, true,
     "Chen et al. 2023, arXiv:2302.06675: exp_avg"},
};

Formula full_states(std::uint64_t states, std::uint64_t elements, DType dtype) {
  return {{"states", states}, {"elements", elements}, {"bytes each", size_of(dtype)}};
}

// The maxima are never paged.
Formula eight_bit_states(std::uint64_t states, std::uint64_t elements, bool paged) {
  if (elements < kEightBitLeast) return full_states(states, elements, DType::f32);
  const auto blocks = (elements + (kEightBitBlock - 1)) / kEightBitBlock;
  const Formula::Factor maximum{"bytes of a maximum", size_of(DType::f32)};
  if (paged) return {{"states", states}, {"blocks", blocks}, maximum};
  Formula formula{{"states", states}, {"elements", elements}};
  return formula.plus({{"states", states}, {"blocks", blocks}, maximum});
}

// The last two dimensions are the matrix; what stands before them is a batch of matrices.
Formula factored_states(const Shape& shape, std::uint64_t elements) {
  const Formula::Factor each{"bytes each", size_of(DType::f32)};
  if (shape.rank() < 2) return {{"elements", elements}, each};
  Formula formula{{"rows", elements / shape.at(-1)}, each};
  return formula.plus({{"columns", elements / shape.at(-2)}, each});
}

}  // namespace

std::span<const Optimizer> optimizers() { return kOptimizers; }

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const auto& o : kOptimizers) names.emplace_back(o.name);
  return names;
}

const Optimizer& optimizer(std::string_view name) {
  for (const auto& o : kOptimizers)
    if (o.name == name) return o;
  fail("unknown optimizer '{}'{}", name, did_you_mean(name, optimizer_names()));
}

// Embeddings, heads and everything that is no matrix are left to AdamW (Jordan et al. 2024,
// kellerjordan.github.io/posts/muon).
const Optimizer& optimizer_for(const Optimizer& o, const Param& param) {
  if (!o.matrices_only) return o;
  switch (param.role) {
    case Role::embedding:
    case Role::position_embedding:
    case Role::type_embedding:
    case Role::token:
    case Role::head:
    case Role::classifier:
      return optimizer("adamw");
    default:
      return param.shape.rank() == 2 ? o : optimizer("adamw");
  }
}

Formula state_formula(const Optimizer& o, const Shape& param, DType dtype) {
  const auto elements = numel(param).value();
  const bool paged = o.paged && elements >= kPagedLeast;
  switch (o.form) {
    case StateForm::full: {
      if (o.states == 0 || paged) return {};
      auto formula = full_states(o.states, elements, dtype);
      return o.step_bytes > 0 ? formula.plus({{"bytes of the step", o.step_bytes}}) : formula;
    }
    case StateForm::eight_bit:
      return eight_bit_states(o.states, elements, paged);
    case StateForm::factored:
      return elements > 0 ? factored_states(param, elements) : Formula{};
  }
  return {};
}

Count state_bytes(const Optimizer& o, const Shape& param, DType dtype) {
  return state_formula(o, param, dtype).value();
}

}  // namespace vitals
