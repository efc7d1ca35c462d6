#include "memory/stack.h"

#include "core/error.h"
#include "core/suggest.h"

namespace vitals {
namespace {

// c10/cuda/CUDACachingAllocator.cpp, kMinBlockSize.
constexpr std::uint64_t kCudaBlock = 512;
// aten/src/ATen/cuda/CublasHandlePool.cpp, parseChosenWorkspaceSize: ":4096:2:16:8" KiB, one for
// each thread that multiplies: the forward pass and the backward pass.
constexpr std::uint64_t kCublasWorkspaces = 2 * (2 * 4096 + 8 * 16) * 1024;

constexpr Stack kStacks[] = {
    {.name = "pytorch-1.13",
     .doc = "a plain loop of PyTorch 1.13: optimizers step parameter by parameter",
     .source = "torch.optim, foreach=False"},
    {.name = "pytorch",
     .optimizer_impl = OptimizerImpl::foreach,
     .block = kCudaBlock,
     .workspaces = kCublasWorkspaces,
     .step_on_host = true,
     .doc = "a plain loop of PyTorch 2: foreach optimizers, cuBLAS's workspaces, blocks of 512 "
            "bytes",
     .source = "torch/optim/adamw.py, _multi_tensor_adamw; ATen/cuda/CublasHandlePool.cpp"},
    {.name = "transformers",
     .optimizer_impl = OptimizerImpl::foreach,
     .loss = Loss::hf,
     .block = kCudaBlock,
     .workspaces = kCublasWorkspaces,
     .batch_has_labels = true,
     .step_on_host = true,
     .inputs_require_grad = true,
     .fp32_shards = true,
     .fp32_adapters = true,
     .loops_over_experts = true,
     .doc = "Hugging Face Trainer with accelerate and PEFT on PyTorch 2",
     .source = "transformers loss/loss_utils.py; accelerate accelerator.py, prepare_model; peft "
               "tuners/tuners_utils.py"},
    {.name = "megatron",
     .optimizer_impl = OptimizerImpl::fused,
     .loss = Loss::vocab_parallel,
     .block = kCudaBlock,
     .workspaces = kCublasWorkspaces,
     .batch_has_labels = true,
     .step_on_host = true,
     .doc = "Megatron-LM: fused Adam, vocabulary-parallel cross-entropy",
     .source = "megatron/core/tensor_parallel/cross_entropy.py; optimizer/distrib_optimizer.py"},
    {.name = "llama.cpp",
     .runs_pytorch = false,
     .doc =
         "llama.cpp: weights as they are stored, a cache that is allocated whole, ggml's buffers",
     .source = "ggml/src/ggml-alloc.c; src/llama-kv-cache.cpp"},
};

}  // namespace

std::span<const Stack> stacks() { return kStacks; }

std::vector<std::string> stack_names() {
  std::vector<std::string> names;
  for (const auto& s : kStacks) names.emplace_back(s.name);
  return names;
}

const Stack& stack(std::string_view name) {
  for (const auto& s : kStacks)
    if (s.name == name) return s;
  fail("unknown stack '{}'{}", name, did_you_mean(name, stack_names()));
}

std::string_view name_of(OptimizerImpl impl) {
  switch (impl) {
    case OptimizerImpl::loop:
      return "loop";
    case OptimizerImpl::foreach:
      return "foreach";
    case OptimizerImpl::fused:
      return "fused";
  }
  return "?";
}

std::string_view name_of(Loss loss) {
  switch (loss) {
    case Loss::none:
      return "none";
    case Loss::cross_entropy:
      return "cross-entropy";
    case Loss::hf:
      return "hf";
    case Loss::fast:
      return "fast";
    case Loss::fused_linear:
      return "fused-linear";
    case Loss::vocab_parallel:
      return "vocab-parallel";
    case Loss::chunked:
      return "chunked";
  }
  return "?";
}

std::string_view name_of(Transformers version) {
  return version == Transformers::v4_45 ? "4.45" : "4.48";
}

}  // namespace vitals
