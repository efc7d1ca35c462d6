// `vitals memory` of a model that llama.cpp runs: what the GPU and the CPU hold, layer by layer, as
// a page, as numbers and as JSON. Formatting only.
#pragma once

#include "graph/graph.h"
#include "memory/llama_cpp/estimate.h"
#include "report/memory.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

namespace vitals {

struct LlamaMemory {
  std::string model;
  llama::Options options;
  llama::Estimate estimate;
  std::string formats;        // "Q4_K 3.40 GiB, Q6_K 1.17 GiB"
  std::uint64_t trained = 0;  // the context that the model was trained with; 0: not known
  std::string device;         // "cuda", "cpu" or a name
  Count reserve;              // what the system takes of a GPU beside
  std::optional<MemoryAnswer::Budget> capacity;
  std::optional<std::uint64_t>
      largest_context;  // that fits with these layers, where there is a capacity
  std::optional<std::uint64_t> most_layers;

  [[nodiscard]] const llama::Place& loaded() const {
    return options.gpu ? estimate.gpu : estimate.cpu;
  }
  [[nodiscard]] std::optional<bool> fits() const {
    if (!capacity) return std::nullopt;
    return loaded().total() <= capacity->bytes;
  }
};

// `details`: every layer, and what lives when the compute buffer is full.
[[nodiscard]] std::string llama_memory_text(const LlamaMemory& answer, bool details,
                                            const TextLayout& layout, bool markdown);
[[nodiscard]] nlohmann::ordered_json llama_memory_json(const LlamaMemory& answer);

}  // namespace vitals
