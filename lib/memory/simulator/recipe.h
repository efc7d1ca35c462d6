// How a step is run: device, precision, optimizer, checkpoints and the part of the model that one
// device holds; and what it holds of every parameter. Knows no ops.
#pragma once

#include "core/block_format.h"
#include "cost/kv_cache.h"
#include "graph/blocks.h"
#include "memory/optimizer.h"
#include "memory/precision.h"
#include "memory/simulator/aten.h"
#include "memory/stack.h"
#include "memory/tensor_parallel.h"

#include <vector>

namespace vitals::eager {

// ZeRO (Rajbhandari et al. 2020): from stage 1 the optimizer's states are cut over the ranks, from
// 2 the gradients, from 3 the weights, which are then gathered for a block at a time.
struct Zero {
  unsigned stage = 0;
  std::uint64_t ranks = 1;

  [[nodiscard]] std::uint64_t parts(unsigned from_stage) const {
    return stage >= from_stage ? ranks : 1;
  }
};

// Weights that are stored in few bits and multiplied in the computation's type.
struct PackedWeights {
  std::vector<Count> stored;    // bytes by ParamId; empty: in the precision's type
  std::vector<Count> per_rank;  // of these, scales and tables that sharding leaves whole
  std::vector<bool> packed;     // which are stored in fewer bits than the computation's type has
  bool unpacked = false;        // a product unpacks its weight first, for its own time

  [[nodiscard]] bool empty() const { return stored.empty(); }
  [[nodiscard]] bool is_packed(ParamId param) const {
    return param < packed.size() && packed[param];
  }
};

// What lies in the host's memory and comes to the device for its use.
struct Offload {
  bool optimizer = false;    // states and master weights; the host runs the step
  bool weights = false;      // and all of the above
  bool activations = false;  // what autograd keeps

  [[nodiscard]] bool steps_on_host() const { return optimizer || weights; }
};

struct StepOptions {
  Settings settings;
  Stack stack;
  OptimizerImpl optimizer_impl = OptimizerImpl::loop;
  Loss loss = Loss::cross_entropy;
  bool keeps_logits = false;  // 16-bit logits have a name while the loss is computed
  bool fused_norm = false;    // RMSNorm as one kernel that keeps its input as it is
  bool fused_lora = false;    // a layer and its adapter as one op that keeps what was dropped out
  // Fully sharded data parallel over zero.ranks: 1 or 2, the version; 0: none.
  unsigned fsdp = 0;
  TensorParallel tensor;
  Zero zero;
  NodeRange stage;  // of a pipeline; all nodes when its end is 0
  Precision precision;
  Optimizer optimizer;
  bool training = true;
  // Of a model that generates: tokens in the cache (0: those of the trace), and its form.
  std::uint64_t cached_tokens = 0;
  LatentCache latent = LatentCache::expanded;
  const BlockFormat* cache_format = nullptr;  // null: the type of the products
  PackedWeights packed;
  bool keep_gradients = false;  // allocated through the forward pass, as without set_to_none
  // Run without recording, and again in the backward pass (torch.utils.checkpoint).
  std::vector<NodeRange> checkpoints;
  // What micro-batches hold that went forward on this pipeline stage and wait for their backward
  // pass.
  Count waiting;
  bool allocator = false;            // ask what PyTorch's caching allocator needs,
  std::optional<Count> budget = {};  // or only whether that is more than this
  Offload offload = {};
  bool record = false;       // keep every allocation and release
  bool composition = false;  // list what is live at the highest moment
};

// The largest of so many parts.
[[nodiscard]] Count part(Count bytes, std::uint64_t parts);
[[nodiscard]] Count part(Count bytes, const Split& split);

// Does every rank hold all of it? fms-acceleration takes the adapters of its fused op out of FSDP
// (lora_adapters_switch_ddp_from_fsdp).
[[nodiscard]] inline bool is_whole(const Graph& graph, ParamId param, const StepOptions& options) {
  return options.fsdp > 0 && options.fused_lora && graph.params[param].adapter;
}
// Whether the parameter lies on the host between its uses.
[[nodiscard]] inline bool on_host(const Graph& graph, ParamId param, const StepOptions& options) {
  return options.offload.weights && !graph.params[param].buffer && !is_whole(graph, param, options);
}
// Sharded gradients follow the states: DeepSpeed's stages 2 and 3 copy each part to the host as
// soon as it is reduced (zero/stage_1_and_2.py, stage3.py), FSDP under CPUOffload likewise.
[[nodiscard]] inline bool gradients_on_host(const Graph& graph, ParamId param,
                                            const StepOptions& options) {
  const bool sharded = options.zero.stage >= 2 && options.zero.ranks > 1;
  const bool follows = options.fsdp > 0 ? options.offload.weights : options.offload.steps_on_host();
  return sharded && follows && !is_whole(graph, param, options);
}
// Pieces that the parameter is cut into from this stage of ZeRO on, tensor parallelism included.
[[nodiscard]] inline std::uint64_t pieces(const Graph& graph, ParamId param,
                                          const StepOptions& options, unsigned from_stage) {
  return options.tensor.split(param) *
         (is_whole(graph, param, options) ? 1 : options.zero.parts(from_stage));
}

// The types in which a parameter is stored, enters the forward pass, and has optimizer states.
[[nodiscard]] DType stored_dtype(const Graph& graph, ParamId param, const StepOptions& options);
[[nodiscard]] DType compute_dtype(const Graph& graph, ParamId param, const StepOptions& options);
[[nodiscard]] DType state_dtype(const Graph& graph, ParamId param, const StepOptions& options);

// What one device holds of a parameter under a recipe: itself, its gradient, its optimizer states
// with the master weight.
[[nodiscard]] Count weight_bytes(const Graph& graph, ParamId param, const StepOptions& options);
[[nodiscard]] Count gradient_bytes(const Graph& graph, ParamId param, const StepOptions& options);
[[nodiscard]] Count optimizer_bytes(const Graph& graph, ParamId param, const StepOptions& options);
// The same before it is cut over devices.
[[nodiscard]] Formula optimizer_formula(const Graph& graph, ParamId param,
                                        const StepOptions& options);
// What a unit's parameter takes while all of it is gathered for a computation.
[[nodiscard]] Count gathered_bytes(const Graph& graph, ParamId param, const StepOptions& options);
// The parameters that the stage uses.
[[nodiscard]] std::vector<bool> used_params(const Graph& graph, const NodeRange& stage);
// Keys and values of all tokens: 2 L b min(s, window) kv_heads head_dim bytes for plain attention.
[[nodiscard]] Count kv_cache_bytes(const Graph& graph, const StepOptions& options);

}  // namespace vitals::eager
