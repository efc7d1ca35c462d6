#include "cost/kv_cache.h"

#include <algorithm>

namespace vitals {

Count cached_tokens(const KvCache& cache, Count tokens) {
  if (cache.source_tokens > 0) tokens = cache.source_tokens;
  return cache.window > 0 ? std::min(tokens, Count(cache.window)) : tokens;
}

namespace {

Count per_token(const KvCache& cache, LatentCache latent) {
  const bool compressed = latent == LatentCache::compressed && cache.compressed > 0;
  return compressed ? Count(cache.compressed) : Count(cache.key) + cache.value;
}

}  // namespace

Count kv_cache_growth(const KvCache& cache, LatentCache latent) {
  return cache.source_tokens > 0 ? Count(0) : per_token(cache, latent);
}

Count kv_cache_growth(const Graph& graph, LatentCache latent) {
  Count sum;
  for (const auto& cache : graph.kv_caches) sum += kv_cache_growth(cache, latent);
  return sum;
}

Count kv_cache_elements(const KvCache& cache, Count tokens, LatentCache latent) {
  return cached_tokens(cache, tokens) * per_token(cache, latent);
}

Count kv_cache_elements(const Graph& graph, Count tokens, LatentCache latent) {
  Count sum;
  for (const auto& cache : graph.kv_caches) sum += kv_cache_elements(cache, tokens, latent);
  return sum * graph.batch;
}

}  // namespace vitals
