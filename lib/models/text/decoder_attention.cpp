#include "models/text/decoder_config.h"
#include "models/text/decoder_layers.h"

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

// [B, s, heads * d] -> [B, s, heads, d]
Tensor by_head(Builder& b, Tensor x, std::uint64_t heads) {
  return b.reshape(x, {x.dim(0), x.dim(1), heads, x.dim(-1) / heads});
}

// Queries or keys, [B, s, heads, d], normalised in the family's way.
Tensor head_norm(Builder& b, std::string_view name, Tensor x, const DecoderConfig& c) {
  auto o = decoder_norm(c);
  o.bias = c.qk_norm_bias;
  if (c.qk_norm == "head") return norm(b, name, x, o);
  // A vector for each head, as one parameter (Cohere) or as modules of their own (StableLM).
  const bool list = c.naming == "stablelm";
  const auto heads = x.dim(-2);
  return b.call(name, {o.rms ? "RmsNorm" : "LayerNorm", Role::norm}, {x}, [&] {
    auto weights = [&](std::string_view key) {
      const auto id = b.param(key, {heads, x.dim(-1)});
      b.graph().params[id].stacked = list;
      return id;
    };
    auto body = [&] {
      const auto weight = weights("weight");
      if (o.rms) return b.add(op::RmsNorm{o.eps}, {x}, weight);
      return b.add(op::LayerNorm{o.eps, true, o.bias}, {x}, weight,
                   o.bias ? weights("bias") : kNone);
    };
    return list ? b.call("norms", {"ModuleList", Role::norm, TorchClass::module_list}, {x}, body)
                : body();
  });
}

Tensor project_out(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  x = ctx.names.conv1d ? conv1d(b, ctx.names.out, x, c.hidden_size, Role::attention_output)
                       : linear(b, ctx.names.out, x, c.hidden_size, Role::attention_output,
                                c.attention_out_bias);
  const auto rate = attention_drop(c);
  return rate > 0 ? dropout(b, "resid_dropout", x, rate) : x;
}

// Queries, keys and values, each [B, s, heads, d]; keys and values are absent where an earlier
// layer has them.
struct Projected {
  Tensor q;
  std::optional<Tensor> k = {};
  std::optional<Tensor> v = {};
  std::optional<Tensor> gate = {};  // [B, s, heads * d], before its sigmoid
};

NormOptions qk_norm_of(const DecoderConfig& c) {
  auto o = decoder_norm(c);
  o.bias = c.qk_norm_bias;
  return o;
}

Projected separate_projections(Builder& b, Tensor x, const DecoderContext& ctx,
                               std::uint64_t layer) {
  const auto& c = ctx.config;
  const auto& n = ctx.names;
  const auto heads = c.num_attention_heads;
  const auto kv = kv_heads(c, layer);
  const auto d = head_dim(c, layer);
  auto q = linear(b, n.q, x, (c.attention_gate ? 2 : 1) * heads * d, Role::query, c.attention_bias);
  std::optional<Tensor> gate;
  if (c.attention_gate) {
    gate = b.slice(q, -1, heads * d, heads * d);
    q = b.slice(q, -1, 0, heads * d);
  }
  std::optional<Tensor> k;
  std::optional<Tensor> v;
  if (!shares_keys(c, layer)) {
    k = linear(b, n.k, x, kv * d, Role::key, c.attention_bias);
    v = *k;
    if (!(c.global_keys_are_values && window(c, layer) == 0))
      v = linear(b, n.v, x, kv * c.value_head_dim.value_or(d), Role::value, c.attention_bias);
  }
  if (c.qk_norm == "width") {
    q = norm(b, n.q_norm, q, qk_norm_of(c));
    if (k) k = norm(b, n.k_norm, *k, qk_norm_of(c));
  }
  if (k) k = by_head(b, *k, kv);
  if (v) v = by_head(b, *v, kv);
  return {by_head(b, q, heads), k, v, gate};
}

Projected joint_projection(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  const auto d = head_dim(c);
  const auto heads = c.num_attention_heads;
  const auto kv = kv_heads(c);
  const auto width = (heads + 2 * kv) * d;
  const auto qkv = ctx.names.conv1d
                       ? conv1d(b, ctx.names.qkv, x, width, Role::qkv)
                       : linear(b, ctx.names.qkv, x, width, Role::qkv, c.attention_bias);
  // Names of the model's own frame.
  if (c.keeps_presents && b.options().training) b.graph().calls[0].locals.push_back(qkv.id());
  if (!ctx.names.interleaved)
    return {by_head(b, b.slice(qkv, -1, 0, heads * d), heads),
            by_head(b, b.slice(qkv, -1, heads * d, kv * d), kv),
            by_head(b, b.slice(qkv, -1, (heads + kv) * d, kv * d), kv), std::nullopt};
  const auto batch = x.dim(0);
  const auto s = x.dim(1);
  const auto group = heads / kv;
  const auto grouped = b.reshape(qkv, {batch, s, kv, group + 2, d});
  return {b.reshape(b.slice(grouped, 3, 0, group), {batch, s, heads, d}),
          b.select(grouped, 3, group), b.select(grouped, 3, group + 1), std::nullopt};
}

// Rotary positions on the first `rotary_dim` features of every head of [B, heads, s, d].
Tensor rotated(Builder& b, Tensor x, Tensor tables) {
  const auto dims = tables.dim(-1) / 2;
  if (dims == x.dim(-1)) return b.add(op::Rope{dims, true}, {x, tables});
  const auto turned = b.add(op::Rope{dims, true}, {b.slice(x, -1, 0, dims), tables});
  return b.concat({turned, b.slice(x, -1, dims, x.dim(-1) - dims)}, -1);
}

bool rotates(const DecoderConfig& c, std::uint64_t layer) {
  return c.position_embedding == "rope" &&
         (c.no_rope_layers.empty() || c.no_rope_layers[layer] != 0);
}

Tensor rope_of(const DecoderContext& ctx, std::uint64_t layer) {
  const bool other = head_dim(ctx.config, layer) != head_dim(ctx.config);
  return other ? *ctx.global_rope : *ctx.rope;
}

// The new keys or values behind those that the cache still holds: [B, heads, past + s, d].
Tensor with_past(Builder& b, Tensor x, std::uint64_t window) {
  const auto past = cached_tokens(b.options().past_len, window);
  if (past == 0) return x;
  return b.concat({b.state({x.dim(0), x.dim(1), past, x.dim(-1)}), x}, 2);
}

Tensor attend(Builder& b, Tensor q, Tensor k, Tensor v, const DecoderContext& ctx,
              std::uint64_t layer) {
  const auto& c = ctx.config;
  AttentionCore core;
  core.scale = c.attention_scale.value_or(1.0 / std::sqrt(static_cast<double>(q.dim(-1))));
  core.bias = ctx.alibi;
  core.attn_drop = c.attn_pdrop;
  core.drop_name = c.attn_pdrop > 0 ? "attn_dropout" : "";
  core.softcap = c.attn_logit_softcapping.value_or(0.0);
  core.repeat_kv = c.repeats_kv;
  core.mask = window(c, layer) > 0 ? ctx.sliding_mask : ctx.mask;
  if (c.attention_sinks || (c.sliding_sinks && window(c, layer) > 0))
    core.sinks = b.parameter("sinks", {c.num_attention_heads}, Role::sink);
  return attention_core(b, q, k, v, core);
}

Tensor normed_values(Builder& b, Tensor v, const DecoderConfig& c) {
  if (!c.value_norm) return v;
  return b.add(op::RmsNorm{c.norm_layer.eps.value_or(1e-6), false}, {v});
}

// Keys and values [B, kv_heads, past + s, d]: the layer's own, or those of the last layer before it
// that has some and is of its kind.
SharedKeys::Pair keys_and_values(Builder& b, const Projected& p, const DecoderContext& ctx,
                                 std::uint64_t layer) {
  const auto& c = ctx.config;
  const auto w = window(c, layer);
  auto& kept = w > 0 ? ctx.shared->of_sliding : ctx.shared->of_full;
  if (!p.k) {
    if (!kept)
      fail("/shared_key_value_layers: layer {} has no layer of its kind before it to share with",
           layer);
    return *kept;
  }
  auto k = *p.k;
  if (c.qk_norm == "head" || c.qk_norm == "heads") k = head_norm(b, ctx.names.k_norm, k, c);
  k = b.transpose(k, 1, 2);
  if (rotates(c, layer)) k = rotated(b, k, rope_of(ctx, layer));
  if (rotates(c, layer) && c.qk_norm == "l2")
    k = b.add(op::RmsNorm{c.norm_layer.eps.value_or(1e-6), false}, {k});
  const auto v = b.transpose(normed_values(b, *p.v, c), 1, 2);
  const SharedKeys::Pair pair{with_past(b, k, w), with_past(b, v, w)};
  if (c.shared_key_value_layers > 0) kept = pair;
  return pair;
}

Tensor grouped_attention(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer) {
  const auto& c = ctx.config;
  const auto heads = kv_heads(c, layer);
  const auto d = head_dim(c, layer);
  if (!shares_keys(c, layer))
    b.keep_cache({.key = heads * d,
                  .value = heads * c.value_head_dim.value_or(d),
                  .heads = heads,
                  .window = window(c, layer)});
  const auto p =
      ctx.names.qkv.empty() ? separate_projections(b, x, ctx, layer) : joint_projection(b, x, ctx);
  auto q = p.q;
  if (c.qk_norm == "head" || c.qk_norm == "heads") q = head_norm(b, ctx.names.q_norm, q, c);
  q = b.transpose(q, 1, 2);
  if (rotates(c, layer)) q = rotated(b, q, rope_of(ctx, layer));
  if (rotates(c, layer) && c.qk_norm == "l2")
    q = b.add(op::RmsNorm{c.norm_layer.eps.value_or(1e-6), false}, {q});
  const auto [k, v] = keys_and_values(b, p, ctx, layer);
  auto y = merge_heads(b, attend(b, q, k, v, ctx, layer));
  if (p.gate) y = y * b.activation(*p.gate, op::ActivationKind::sigmoid);
  return project_out(b, y, ctx);
}

// Which keys a token attends to in sparse attention: small heads of their own score them all, and
// the best `index_topk` are chosen (DeepSeek-V3.2, arXiv:2512.02556, section 2.1). Attention itself
// is counted over all keys, with the others masked, as the library runs it.
void index_keys(Builder& b, Tensor x, Tensor query_latent, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  const auto heads = c.index_n_heads;
  const auto d = c.index_head_dim;
  b.call("indexer", {"Indexer", Role::attention}, Tensors{x}, [&] {
    b.keep_cache({.key = d, .value = 0, .heads = 1});
    auto q = by_head(b, linear(b, "wq_b", query_latent, heads * d, Role::other, false), heads);
    q = rotated(b, b.transpose(q, 1, 2), *ctx.rope);
    auto k = norm(b, "k_norm", linear(b, "wk", x, d, Role::other, false), NormOptions{});
    k = with_past(b, rotated(b, b.transpose(by_head(b, k, 1), 1, 2), *ctx.rope), 0);
    const auto weights = linear(b, "weights_proj", x, heads, Role::other, false);
    auto scores = b.matmul(q, b.transpose(k, 2, 3));
    scores = b.activation(scores, op::ActivationKind::relu);
    scores = scores * b.reshape(b.transpose(weights, 1, 2), {x.dim(0), heads, x.dim(1), 1});
    scores = b.add(op::Reduce{op::ReduceKind::sum, 1}, {scores});
    return b.add(op::TopK{std::min(c.index_topk, scores.dim(-1))}, {scores});
  });
}

bool has_indexer(const DecoderConfig& c, std::uint64_t layer) {
  return c.index_n_heads > 0 &&
         (c.index_layers.empty() ||
          std::find(c.index_layers.begin(), c.index_layers.end(), layer) != c.index_layers.end());
}

Tensor latent_queries(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer) {
  const auto& c = ctx.config;
  const auto width = c.num_attention_heads * (c.qk_nope_head_dim + c.qk_rope_head_dim);
  if (!c.q_lora_rank) return linear(b, "q_proj", x, width, Role::query, false);
  auto low = linear(b, "q_a_proj", x, *c.q_lora_rank, Role::query_latent, c.attention_bias);
  low = norm(b, "q_a_layernorm", low, decoder_norm(c));
  if (has_indexer(c, layer)) index_keys(b, x, low, ctx);
  return linear(b, "q_b_proj", low, width, Role::query, false);
}

// Keys and values from one low-rank latent, and a rotary key that all heads share (DeepSeek-V2,
// arXiv:2405.04434, section 2.1), with the keys and values written out as the library does.
Tensor latent_attention(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer) {
  const auto& c = ctx.config;
  const auto heads = c.num_attention_heads;
  const auto nope = c.qk_nope_head_dim;
  const auto rope = c.qk_rope_head_dim;
  const auto rank = *c.kv_lora_rank;
  b.keep_cache({.key = heads * (nope + rope),
                .value = heads * c.v_head_dim,
                .heads = heads,
                .compressed = rank + rope,
                .window = window(c, layer)});
  auto q = b.transpose(by_head(b, latent_queries(b, x, ctx, layer), heads), 1, 2);
  const auto latent =
      linear(b, "kv_a_proj_with_mqa", x, rank + rope, Role::key_value_latent, c.attention_bias);
  const auto low = norm(b, "kv_a_layernorm", b.slice(latent, -1, 0, rank), decoder_norm(c));
  const auto wide =
      linear(b, "kv_b_proj", low, heads * (nope + c.v_head_dim), Role::key_value, false);
  const auto kv = b.transpose(by_head(b, wide, heads), 1, 2);
  auto k_rope = b.transpose(by_head(b, b.slice(latent, -1, rank, rope), 1), 1, 2);
  auto q_rope = b.slice(q, -1, nope, rope);
  if (rotates(c, layer)) {
    q_rope = b.add(op::Rope{rope, true}, {q_rope, *ctx.rope});
    k_rope = b.add(op::Rope{rope, true}, {k_rope, *ctx.rope});
  }
  k_rope = b.expand(k_rope, {x.dim(0), heads, x.dim(1), rope});
  q = b.concat({b.slice(q, -1, 0, nope), q_rope}, -1);
  const auto k = b.concat({b.slice(kv, -1, 0, nope), k_rope}, -1);
  const auto w = window(c, layer);
  const auto v = with_past(b, b.slice(kv, -1, nope, c.v_head_dim), w);
  const auto y = attend(b, q, with_past(b, k, w), v, ctx, layer);
  return project_out(b, merge_heads(b, y), ctx);
}

}  // namespace

NormOptions decoder_norm(const DecoderConfig& c) {
  return {.rms = c.norm_layer.kind == "RmsNorm",
          .eps = c.norm_layer.eps.value_or(1e-5),
          .affine = c.norm_affine,
          .bias = c.norm_bias};
}

std::uint64_t cached_tokens(std::uint64_t past, std::uint64_t window) {
  return window > 0 ? std::min(past, window - 1) : past;
}

Tensor decoder_attention(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer) {
  const auto& c = ctx.config;
  const auto keys = c.kv_lora_rank ? c.num_attention_heads : kv_heads(c, layer);
  const auto type = attention_type("Attention", c.num_attention_heads, keys);
  return b.call(ctx.names.attn, type, {x}, [&] {
    return ctx.config.kv_lora_rank ? latent_attention(b, x, ctx, layer)
                                   : grouped_attention(b, x, ctx, layer);
  });
}

}  // namespace vitals
