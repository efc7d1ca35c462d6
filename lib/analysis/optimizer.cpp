#include "analysis/optimizer.h"

#include "core/suggest.h"

namespace vitals {
namespace {

// Dettmers et al. 2022: states are quantised in blocks of 2048; tensors below 4096 elements stay in
// 32 bits (bitsandbytes, min_8bit_size).
constexpr std::uint64_t kEightBitBlock = 2048;
constexpr std::uint64_t kEightBitLeast = 4096;

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
    {"adafactor", 1, StateForm::factored, 0, StepTemporaries::two, true,
     "Shazeer and Stern 2018, arXiv:1804.04235, without momentum"},
    {"lion", 1, StateForm::full, 0, StepTemporaries::two, true,
     "Chen et al. 2023, arXiv:2302.06675: exp_avg"},
};

Count eight_bit_bytes(std::uint64_t states, Count n) {
  if (n < Count(kEightBitLeast)) return n * states * size_of(DType::f32);
  const auto blocks = (n + (kEightBitBlock - 1)) / kEightBitBlock;
  return (n + blocks * size_of(DType::f32)) * states;
}

// The last two dimensions are the matrix; what stands before them is a batch of matrices.
Count factored_bytes(const Shape& shape) {
  const auto n = numel(shape);
  if (shape.rank() < 2) return n * size_of(DType::f32);
  const auto rows = n / shape.at(-1);
  const auto columns = n / shape.at(-2);
  return (rows + columns) * size_of(DType::f32);
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

Count state_bytes(const Optimizer& o, const Shape& param, DType dtype) {
  switch (o.form) {
    case StateForm::full:
      return numel(param) * o.states * size_of(dtype) + o.step_bytes;
    case StateForm::eight_bit:
      return eight_bit_bytes(o.states, numel(param));
    case StateForm::factored:
      return factored_bytes(param);
  }
  return 0;
}

}  // namespace vitals
