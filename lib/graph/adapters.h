// What is trained of a model: frozen parts, and low-rank adapters beside linear layers (LoRA, Hu et
// al. 2022, arXiv:2106.09685), as rewrites of the trace. Knows names, no memory.
#pragma once

#include "graph/graph.h"

#include <optional>
#include <string>
#include <utility>
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
  // Layers of the stack that are adapted, by number; empty: all.
  std::vector<std::uint64_t> layers = {};
  // Ends of the paths of layers that are not adapted, and of those with a rank of their own.
  std::vector<std::string> excluded = {};
  std::vector<std::pair<std::string, std::uint64_t>> ranks = {};
  // Which biases are trained, too: "none", "all", or those of adapted layers ("lora_only").
  std::string biases = "none";
  // Ends of the paths of modules that are trained as a copy beside the frozen original
  // (PEFT's modules_to_save).
  std::vector<std::string> saved = {};
};

// y = W x becomes y = W x + B (A dropout(x)) * scale for every weight that the targets name
// (graph/lora_targets.h), with A [rank, in] and B [out, rank], one of each for every expert;
// everything else is frozen. Throws Error for a name that no linear layer has, and for a trace that
// has adapters already.
[[nodiscard]] Graph with_lora(const Graph& graph, const Lora& lora);

}  // namespace vitals
