// How a step is run: device, precision, optimizer, checkpoints and the part of the model that one
// device holds; and what it holds of every parameter. Knows no ops.
#pragma once

#include "cost/kv_cache.h"
#include "graph/blocks.h"
#include "memory/optimizer.h"
#include "memory/precision.h"
#include "memory/simulator/aten.h"
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

struct StepOptions {
  Settings settings;
  TensorParallel tensor;
  Zero zero;
  NodeRange stage;  // of a pipeline; all nodes when its end is 0
  Precision precision;
  Optimizer optimizer;
  bool training = true;
  bool cross_entropy = true;
  // Of a model that generates: tokens in the cache (0: those of the trace), and its form.
  std::uint64_t cached_tokens = 0;
  LatentCache latent = LatentCache::expanded;
  // Bytes of each parameter where weights are stored quantised; empty: in the precision's type.
  std::vector<Count> stored_weights;
  bool keep_gradients = false;  // allocated through the forward pass, as without set_to_none
  // Run without recording, and again in the backward pass (torch.utils.checkpoint).
  std::vector<NodeRange> checkpoints;
  // What micro-batches hold that went forward on this pipeline stage and wait for their backward
  // pass.
  Count waiting;
  bool allocator = false;    // ask what PyTorch's caching allocator needs
  bool composition = false;  // list what is live at the highest moment
};

// The largest of so many parts.
[[nodiscard]] Count part(Count bytes, std::uint64_t parts);
[[nodiscard]] Count part(Count bytes, const Split& split);

// What one device holds of a parameter under a recipe: itself, its gradient, its optimizer states
// with the master weight.
[[nodiscard]] Count weight_bytes(const Graph& graph, ParamId param, const StepOptions& options);
[[nodiscard]] Count gradient_bytes(const Graph& graph, ParamId param, const StepOptions& options);
[[nodiscard]] Count optimizer_bytes(const Graph& graph, ParamId param, const StepOptions& options);
// The same before it is cut over devices.
[[nodiscard]] Formula optimizer_formula(const Graph& graph, ParamId param,
                                        const StepOptions& options);
// The parameters that the stage uses.
[[nodiscard]] std::vector<bool> used_params(const Graph& graph, const NodeRange& stage);
// Keys and values of all tokens: 2 L b min(s, window) kv_heads head_dim bytes for plain attention.
[[nodiscard]] Count kv_cache_bytes(const Graph& graph, const StepOptions& options);

}  // namespace vitals::eager
