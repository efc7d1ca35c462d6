// Keys and values that attention keeps of past tokens while a model generates, layer by layer.
// Grouped and shared heads, sliding windows, cross attention and latent attention are all in what
// the layers noted in Graph::kv_caches; nothing here knows a model.
#pragma once

#include "graph/graph.h"

namespace vitals {

// Latent attention (MLA, arXiv:2405.04434) may keep its latent and rebuild keys and values, or keep
// them written out, as PyTorch eager does. Other layers have one form only.
enum class LatentCache : std::uint8_t { expanded, compressed };

// Tokens of which a layer keeps something after `tokens` have passed: at most its window, and for
// cross attention the encoder's.
[[nodiscard]] Count cached_tokens(const KvCache& cache, Count tokens);

// Elements of one layer and sample that one more token adds before a window is full; cross
// attention keeps the encoder's tokens alone.
[[nodiscard]] Count kv_cache_growth(const KvCache& cache, LatentCache latent);
// The same of all layers.
[[nodiscard]] Count kv_cache_growth(const Graph& graph, LatentCache latent);

// Elements of one layer for one sample.
[[nodiscard]] Count kv_cache_elements(const KvCache& cache, Count tokens, LatentCache latent);

// Elements of all layers for the whole batch.
[[nodiscard]] Count kv_cache_elements(const Graph& graph, Count tokens, LatentCache latent);

}  // namespace vitals
