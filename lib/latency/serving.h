// How fast a language model is served: the kernels of one step of all streams, read from the trace
// and cut over tensor-parallel and expert-parallel GPUs, priced one by one (prices/price_list.h).
// Knows no model, no device by name and no file.
#pragma once

#include "core/count.h"
#include "graph/graph.h"
#include "latency/prices/price_list.h"

#include <string>

namespace vitals::latency {

struct ServingSetup {
  const prices::PriceList* list = nullptr;
  Machine machine;
  std::string device;
  std::string framework;  // empty: the middle of the measured ones
  std::uint64_t tp = 1;
  std::uint64_t ep = 1;                           // GPUs that share the experts
  const prices::Format* format = nullptr;         // of linear layers
  const prices::Format* expert_format = nullptr;  // of experts
  double kv_bytes = 2;
};

// Seconds of one step on one GPU, by what takes them. `host` is what lies between the kernels.
struct StepTime {
  double linear = 0;
  double attention = 0;
  double experts = 0;
  double elementwise = 0;
  double communication = 0;
  double host = 0;
  double low = 0;  // 80 % lie between these
  double high = 0;
  bool measured = true;  // all kernels were, on this device

  [[nodiscard]] double seconds() const {
    return linear + attention + experts + elementwise + communication + host;
  }
};

// `graph` is the trace of one step in inference with fused attention: a prompt, or one token of
// every stream behind the tokens that are cached. Throws Error for a split that does not divide.
[[nodiscard]] StepTime step_time(const Graph& graph, const ServingSetup& setup);

// Bytes on one GPU.
struct ServingMemory {
  Count weights;
  Count cache_of_stream;  // keys and values of one stream of so many tokens
  Count activations;      // of the largest step: a chunk of prompts, and the logits of the streams
};
[[nodiscard]] ServingMemory serving_memory(const Graph& graph, const ServingSetup& setup,
                                           std::uint64_t tokens, std::uint64_t streams);

}  // namespace vitals::latency
