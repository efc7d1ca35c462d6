// What is trained of a model: frozen parts, and low-rank adapters beside linear layers (LoRA, Hu et
// al. 2022, arXiv:2106.09685), as rewrites of the trace. Knows names, no memory.
#pragma once

#include "graph/graph.h"

#include <optional>
#include <string>
#include <vector>

namespace vitals {

// Freezes the parameters of every module or parameter with such a path ("blocks", "blocks.0.attn",
// "pos_embed"; ".": all of the model). Throws Error for one that does not exist.
void freeze(Graph& graph, const std::vector<std::string>& paths);

// Trains the parameters of every module or parameter with such a path; with `only`, no others.
// Throws Error for one that does not exist.
void train(Graph& graph, const std::vector<std::string>& paths, bool only);

struct Lora {
  std::uint64_t rank = 0;
  std::vector<std::string> targets;
  double dropout = 0;               // of what enters an adapter, in training
  std::optional<DType> dtype = {};  // of the adapters; nothing: that of the weights
};

// y = W x becomes y = W x + B (A dropout(x)) * scale for every weight that the targets name
// (memory/lora_targets.h), with A [rank, in] and B [out, rank], one of each for every expert;
// everything else is frozen. Throws Error for a name that no linear layer has.
[[nodiscard]] Graph with_lora(const Graph& graph, const Lora& lora);

}  // namespace vitals
