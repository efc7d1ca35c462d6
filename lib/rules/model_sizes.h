// The sizes by which papers name a transformer: layers, widths, heads, patch, vocabulary. Read from
// the trace by role; knows no architecture.
#pragma once

#include "graph/graph.h"

#include <cstdint>
#include <vector>

namespace vitals {

// Zero where the model has no such size. Widths, heads and experts are those of the first layer.
struct ModelSizes {
  std::uint64_t layers = 0;        // l: modules with the role `layer`
  std::uint64_t hidden = 0;        // h
  std::uint64_t feed_forward = 0;  // inner width of the MLP, or of one expert
  std::uint64_t heads = 0;         // a
  std::uint64_t kv_heads = 0;      // of keys and values; fewer than a in grouped-query attention
  std::uint64_t experts = 0;
  std::vector<std::uint64_t> patch = {};  // height and width, as the patch embedding cuts images
  std::uint64_t tokens = 0;               // s, of one sample, in the first layer
  std::uint64_t batch = 1;                // b
  std::uint64_t vocab = 0;                // V: rows of the token embedding
};

[[nodiscard]] ModelSizes model_sizes(const Graph& graph);

// What the parameters of a module and of all below it tell.
struct LayerFacts {
  bool attention_bias = false;
  bool feed_forward_bias = false;
  bool norm_bias = false;
  bool gated = false;
  std::uint64_t experts = 0;
  std::uint64_t inner = 0;  // width of the feed-forward
  std::size_t norms = 0;
  std::uint64_t width = 0;  // of the widest norm
};
[[nodiscard]] LayerFacts layer_facts(const Graph& graph, ModuleId layer);

}  // namespace vitals
