#include "memory/precision.h"

#include "core/error.h"
#include "core/suggest.h"

namespace vitals {
namespace {

constexpr Precision kPrecisions[] = {
    {"fp32", DType::f32, false, false, MainGradients::none, DType::f32,
     "fp32 weights, gradients and computation", "PyTorch's default dtype"},
    {"bf16", DType::bf16, false, false, MainGradients::none, DType::bf16,
     "the whole model in bfloat16 (model.bfloat16()), optimizer states included",
     "torch.optim: states are zeros_like(parameter)"},
    {"fp16", DType::f16, false, false, MainGradients::none, DType::f16,
     "the whole model in float16 (model.half()), optimizer states included",
     "torch.optim: states are zeros_like(parameter)"},
    {"amp", DType::f32, true, false, MainGradients::none, DType::f32,
     "torch.autocast: fp32 weights, gradients and states; products in float16 (bfloat16 on a CPU), "
     "norms, softmax and loss in fp32",
     "Micikevicius et al. 2018, arXiv:1710.03740; torch/amp, autocast op lists"},
    {"mixed16", DType::f16, false, true, MainGradients::none, DType::f32,
     "16-bit weights and gradients, fp32 master weights and states: 2 + 2 + 12 bytes a parameter",
     "Rajbhandari et al. 2020 (ZeRO), arXiv:1910.02054, section 3.1"},
    {"mixed18", DType::bf16, false, true, MainGradients::instead, DType::f32,
     "bf16 weights, fp32 gradients, fp32 master weights and states: 2 + 4 + 12 bytes a parameter",
     "Megatron-LM, docs/user-guide/features/dist_optimizer.md: bf16 parameters, fp32 gradients"},
    {"mixed20", DType::f16, false, true, MainGradients::at_step, DType::f32,
     "fp16 weights, fp16 and fp32 gradients, fp32 master weights and states: 2 + 2 + 4 + 12 bytes "
     "a parameter",
     "Megatron-LM, docs/user-guide/features/dist_optimizer.md: fp16 parameters, fp16 gradients; "
     "Narayanan et al. 2021, arXiv:2104.04473"},
};

}  // namespace

std::span<const Precision> precisions() { return kPrecisions; }

std::vector<std::string> precision_names() {
  std::vector<std::string> names;
  for (const auto& p : kPrecisions) names.emplace_back(p.name);
  return names;
}

const Precision& precision(std::string_view name) {
  for (const auto& p : kPrecisions)
    if (p.name == name) return p;
  fail("unknown precision '{}'{}", name, did_you_mean(name, precision_names()));
}

}  // namespace vitals
