// The tensors that llama.cpp's graph of one micro-batch computes, from the trace of the model over
// as many tokens: what ggml allocates, what it does in place, what it only views, in the order in
// which its graph runs them. Knows no architecture.
#pragma once

#include "graph/graph.h"
#include "memory/llama_cpp/graph_allocator.h"

#include <functional>

namespace vitals::llama {

struct ComputeOptions {
  bool flash_attention = true;
  // Keys that a layer's attention reads: the cells of its cache.
  std::function<std::uint64_t(const KvCache&)> cells;
  // Bytes of a weight that is copied to the device for its product, because it is kept elsewhere;
  // 0: it is there.
  std::function<Count(ParamId)> copied;
  // Whether the attention of this module runs on the device.
  std::function<bool(ModuleId)> attends;
  bool embedding_on_host = true;  // rows of the table come from the host as an input
};

// `graph`: built with fused attention, without past tokens. Activations are fp32.
[[nodiscard]] std::vector<PlannedTensor> planned_tensors(const Graph& graph,
                                                         const ComputeOptions& options);

}  // namespace vitals::llama
