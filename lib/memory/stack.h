// What a training framework does around the ops of a model, as data: how its optimizer steps, how
// its loss is computed, what it keeps on the device beside the model. A stack only sets defaults:
// every part of it is an option of its own. Knows no model and no bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// How an optimizer's step walks the parameters (torch.optim's arguments of these names).
enum class OptimizerImpl : std::uint8_t {
  loop,     // one parameter after the other: temporaries of one parameter at a time
  foreach,  // all parameters at once: temporaries of all of them
  fused,    // one kernel that keeps its intermediate values in registers
};

enum class Loss : std::uint8_t {
  none,            // a gradient enters at the model's output
  cross_entropy,   // torch.nn.functional.cross_entropy on the logits
  hf,              // transformers' causal loss: fp32 copy, shifted copy, log-softmax
  fast,            // the same, but the kernel works inside the shifted copy (unsloth)
  fused_linear,    // the head and the loss in chunks of rows; logits are never whole (Liger)
  vocab_parallel,  // fp32 logits, whose exponentials take their place (Megatron)
  chunked,         // logits upcast in eight chunks (torchtune's CEWithChunkedOutputLoss)
};

// Versions of transformers that differ in what a step holds.
enum class Transformers : std::uint8_t {
  v4_45,  // logits become fp32 in the model; Mistral and Mixtral repeat keys for flash attention
  v4_48,  // 16-bit logits stay while the loss is computed; no repeated keys
};

struct Stack {
  std::string_view name;
  OptimizerImpl optimizer_impl = OptimizerImpl::loop;
  Loss loss = Loss::cross_entropy;
  std::uint64_t block = 1;           // bytes of an allocation on a GPU are a multiple of this
  std::uint64_t workspaces = 0;      // bytes that cuBLAS keeps on a GPU
  bool batch_has_labels = false;     // attention mask and labels come with the ids, in int64
  bool step_on_host = false;         // the optimizer's step counters are no device memory
  bool inputs_require_grad = false;  // embeddings of a frozen table ask for a gradient (PEFT)
  bool fp32_shards = false;         // FSDP under autocast keeps trained shards in fp32 (accelerate)
  bool fp32_adapters = false;       // peft's autocast_adapter_dtype
  bool loops_over_experts = false;  // a mixture runs one expert after the other
  bool runs_pytorch = true;         // else the simulation of a step says nothing of it
  std::string_view doc;
  std::string_view source;
};

[[nodiscard]] std::span<const Stack> stacks();
// Throws Error that names the known ones.
[[nodiscard]] const Stack& stack(std::string_view name);
[[nodiscard]] std::vector<std::string> stack_names();

[[nodiscard]] std::string_view name_of(OptimizerImpl impl);
[[nodiscard]] std::string_view name_of(Loss loss);
[[nodiscard]] std::string_view name_of(Transformers version);

}  // namespace vitals
