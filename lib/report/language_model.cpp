#include "report/language_model.h"

#include "report/text/units.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

using nlohmann::ordered_json;

std::uint64_t flops(Count macs) { return (macs * 2).value(); }

// Layers that keep the same.
struct CacheKind {
  KvCache cache;
  std::uint64_t layers = 0;
};

bool alike(const KvCache& a, const KvCache& b) {
  return a.key == b.key && a.value == b.value && a.compressed == b.compressed &&
         a.window == b.window && a.source_tokens == b.source_tokens;
}

// In the order in which the first of each kind stands in the model.
std::vector<CacheKind> cache_kinds(const Graph& graph) {
  std::vector<CacheKind> kinds;
  for (const auto& cache : graph.kv_caches) {
    const auto known = std::find_if(kinds.begin(), kinds.end(),
                                    [&](const CacheKind& k) { return alike(k.cache, cache); });
    if (known == kinds.end())
      kinds.push_back({cache, 1});
    else
      ++known->layers;
  }
  return kinds;
}

std::string cache_name(const CacheKind& kind) {
  auto layers = fmt::format("{} layer{}", kind.layers, kind.layers == 1 ? "" : "s");
  if (kind.cache.source_tokens > 0) return layers + ", cross attention";
  if (kind.cache.window > 0)
    return fmt::format("{}, window {}", layers, grouped(kind.cache.window));
  return layers;
}

bool is_latent(const Graph& graph) {
  for (const auto& cache : graph.kv_caches)
    if (cache.compressed > 0) return true;
  return false;
}

std::string sentence(double flops_value) { return fmt::format("{}FLOPs", si(flops_value)); }

}  // namespace

ordered_json generation_json(const Generation& g) {
  ordered_json result = {{"prompt_tokens", g.prompt},
                         {"new_tokens", g.new_tokens},
                         {"prefill", {{"macs", g.prefill.value()}, {"flops", flops(g.prefill)}}}};
  if (g.new_tokens > 0)
    result["decode"] = {
        {"macs", g.decode.value()},
        {"flops", flops(g.decode)},
        {"first_token_flops", flops(g.first_step)},
        {"last_token_flops", flops(g.last_step)},
        {"flops_per_token", 2 * g.decode.as_double() / static_cast<double>(g.new_tokens)}};
  result["total"] = {{"macs", g.total().value()}, {"flops", flops(g.total())}};
  return result;
}

Table generation_table(const Generation& g) {
  Table table;
  table.columns = {{"generation"}, {"tokens", true}, {"FLOPs", true}, {"per token", true}};
  auto row = [&](std::string name, std::uint64_t tokens, Count macs) {
    const double all = 2 * macs.as_double();
    table.rows.push_back({std::move(name), grouped(tokens), si(all),
                          tokens > 0 ? si(all / static_cast<double>(tokens)) : "-"});
  };
  row("prefill", g.prompt, g.prefill);
  row("decode", g.new_tokens, g.decode);
  row("both", (Count(g.prompt) + g.new_tokens).value(), g.total());
  if (g.new_tokens > 0)
    table.notes.push_back(
        fmt::format("The first new token takes {}, the last {}: attention looks back further.",
                    sentence(2 * g.first_step.as_double()), sentence(2 * g.last_step.as_double())));
  return table;
}

ordered_json kv_cache_json(const Graph& graph, std::uint64_t tokens, const BlockFormat& format) {
  const auto bytes = [&](LatentCache latent) {
    return bytes_of(format, kv_cache_elements(graph, tokens, latent)).value();
  };
  const auto growth = [&](LatentCache latent) {
    return bytes_of(format, kv_cache_growth(graph, latent)).value();
  };
  ordered_json result = {{"tokens", tokens},
                         {"dtype", format.name},
                         {"bytes", bytes(LatentCache::expanded)},
                         {"bytes_per_token", growth(LatentCache::expanded)}};
  if (is_latent(graph)) {
    result["compressed_bytes"] = bytes(LatentCache::compressed);
    result["compressed_bytes_per_token"] = growth(LatentCache::compressed);
  }
  auto& layers = result["layers"] = ordered_json::array();
  for (const auto& cache : graph.kv_caches) {
    const auto own = [&](LatentCache latent) {
      return bytes_of(format, kv_cache_elements(cache, tokens, latent) * graph.batch).value();
    };
    ordered_json layer = {{"path", graph.modules[cache.module].path},
                          {"tokens", cached_tokens(cache, tokens).value()},
                          {"bytes", own(LatentCache::expanded)}};
    if (cache.compressed > 0) layer["compressed_bytes"] = own(LatentCache::compressed);
    if (cache.window > 0) layer["window"] = cache.window;
    layers.push_back(std::move(layer));
  }
  return result;
}

Table kv_cache_table(const Graph& graph, std::uint64_t tokens, const BlockFormat& format) {
  Table table;
  table.columns = {{"KV cache"}, {"kept", true}, {"per token", true}, {"bytes", true}};
  const bool latent = is_latent(graph);
  auto row = [&](std::string name, Count kept, Count per_token, Count elements) {
    table.rows.push_back({std::move(name), grouped(kept), binary_bytes(bytes_of(format, per_token)),
                          binary_bytes(bytes_of(format, elements))});
  };
  auto part = [&](const CacheKind& kind, LatentCache form, const char* suffix) {
    row(cache_name(kind) + suffix, cached_tokens(kind.cache, tokens),
        kv_cache_growth(kind.cache, form) * kind.layers,
        kv_cache_elements(kind.cache, tokens, form) * kind.layers * graph.batch);
  };
  for (const auto& kind : cache_kinds(graph)) part(kind, LatentCache::expanded, "");
  if (latent)
    for (const auto& kind : cache_kinds(graph)) part(kind, LatentCache::compressed, ", latent");
  table.notes.push_back(fmt::format(
      "{} tokens in {}, {} in all{}.", grouped(tokens), format.name,
      binary_bytes(
          bytes_of(format, kv_cache_elements(graph, tokens, LatentCache::expanded)).as_double()),
      latent ? " with keys and values written out, as PyTorch eager keeps them" : ""));
  return table;
}

ordered_json training_compute_json(const TrainingCompute& t) {
  return {{"tokens", t.tokens},   {"active_params", t.active_params},
          {"flops", t.exact},     {"flops_6nd", t.kaplan},
          {"flops_palm", t.palm}, {"petaflop_days", t.exact / kPetaflopDay}};
}

Table training_compute_table(const TrainingCompute& t) {
  Table table;
  table.columns = {{"training compute"}, {"FLOPs", true}, {"petaflop/s-days", true}};
  auto row = [&](const char* name, double value) {
    table.rows.push_back(
        {name, fmt::format("{:.4g}", value), fmt::format("{:.4g}", value / kPetaflopDay)});
  };
  row("op by op", t.exact);
  row("6 N D", t.kaplan);
  row("PaLM: 6 N D + attention", t.palm);
  table.notes.push_back(
      fmt::format("{} tokens; N = {} parameters that work for a token, embeddings included.",
                  si(t.tokens), si(t.active_params)));
  return table;
}

ordered_json quantized_json(std::string_view scheme, const QuantizedSize& size) {
  ordered_json parts = ordered_json::array();
  for (const auto& part : size.parts)
    parts.push_back(
        {{"format", part.format}, {"params", part.params.value()}, {"bytes", part.bytes.value()}});
  return {{"scheme", scheme},
          {"bytes", size.bytes.value()},
          {"bits_per_param", size.bits_per_param()},
          {"parts", std::move(parts)}};
}

Table quantized_table(const QuantizedSize& size) {
  Table table;
  table.columns = {{"weights in"}, {"params", true}, {"bits each", true}, {"bytes", true}};
  auto row = [&](std::string name, Count params, Count bytes) {
    table.rows.push_back({std::move(name), grouped(params),
                          fmt::format("{:.4f}", 8 * bytes.as_double() / params.as_double()),
                          binary_bytes(bytes)});
  };
  for (const auto& part : size.parts) row(std::string(part.format), part.params, part.bytes);
  row("all", size.params, size.bytes);
  return table;
}

}  // namespace vitals
