#include "models/text/decoder_config.h"
#include "models/text/decoder_layers.h"

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
  x = merge_heads(b, x);
  x = ctx.names.conv1d ? conv1d(b, ctx.names.out, x, c.hidden_size, Role::attention_output)
                       : linear(b, ctx.names.out, x, c.hidden_size, Role::attention_output,
                                c.attention_out_bias);
  const auto rate = attention_drop(c);
  return rate > 0 ? dropout(b, "resid_dropout", x, rate) : x;
}

// q, k and v, each [B, s, heads, d].
Qkv separate_projections(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  const auto d = head_dim(c);
  auto q = linear(b, ctx.names.q, x, c.num_attention_heads * d, Role::query, c.attention_bias);
  auto k = linear(b, ctx.names.k, x, kv_heads(c) * d, Role::key, c.attention_bias);
  const auto v = linear(b, ctx.names.v, x, kv_heads(c) * d, Role::value, c.attention_bias);
  if (c.qk_norm == "width") {
    auto o = decoder_norm(c);
    o.bias = c.qk_norm_bias;
    q = norm(b, ctx.names.q_norm, q, o);
    k = norm(b, ctx.names.k_norm, k, o);
  }
  return {by_head(b, q, c.num_attention_heads), by_head(b, k, kv_heads(c)),
          by_head(b, v, kv_heads(c))};
}

Qkv joint_projection(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  const auto d = head_dim(c);
  const auto heads = c.num_attention_heads;
  const auto kv = kv_heads(c);
  const auto width = (heads + 2 * kv) * d;
  const auto qkv = ctx.names.conv1d
                       ? conv1d(b, ctx.names.qkv, x, width, Role::qkv)
                       : linear(b, ctx.names.qkv, x, width, Role::qkv, c.attention_bias);
  if (!ctx.names.interleaved)
    return {by_head(b, b.slice(qkv, -1, 0, heads * d), heads),
            by_head(b, b.slice(qkv, -1, heads * d, kv * d), kv),
            by_head(b, b.slice(qkv, -1, (heads + kv) * d, kv * d), kv)};
  const auto batch = x.dim(0);
  const auto s = x.dim(1);
  const auto group = heads / kv;
  const auto grouped = b.reshape(qkv, {batch, s, kv, group + 2, d});
  return {b.reshape(b.slice(grouped, 3, 0, group), {batch, s, heads, d}),
          b.select(grouped, 3, group), b.select(grouped, 3, group + 1)};
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

// The new keys or values behind those that the cache still holds: [B, heads, past + s, d].
Tensor with_past(Builder& b, Tensor x, std::uint64_t window) {
  const auto past = cached_tokens(b.options().past_len, window);
  if (past == 0) return x;
  return b.concat({b.state({x.dim(0), x.dim(1), past, x.dim(-1)}), x}, 2);
}

Tensor attend(Builder& b, Tensor q, Tensor k, Tensor v, const DecoderContext& ctx,
              std::uint64_t layer) {
  const auto& c = ctx.config;
  const auto w = window(c, layer);
  AttentionCore core;
  core.scale = c.attention_scale.value_or(1.0 / std::sqrt(static_cast<double>(q.dim(-1))));
  core.bias = ctx.alibi;
  core.attn_drop = c.attn_pdrop;
  core.drop_name = c.attn_pdrop > 0 ? "attn_dropout" : "";
  core.softcap = c.attn_logit_softcapping.value_or(0.0);
  core.mask = w > 0 ? ctx.sliding_mask : ctx.mask;
  if (c.attention_sinks) core.sinks = b.parameter("sinks", {c.num_attention_heads}, Role::sink);
  return attention_core(b, q, with_past(b, k, w), with_past(b, v, w), core);
}

Tensor grouped_attention(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer) {
  const auto& c = ctx.config;
  const auto kv = kv_heads(c) * head_dim(c);
  b.keep_cache({.key = kv, .value = kv, .heads = kv_heads(c), .window = window(c, layer)});
  auto [q, k, v] =
      ctx.names.qkv.empty() ? separate_projections(b, x, ctx) : joint_projection(b, x, ctx);
  if (c.qk_norm == "head" || c.qk_norm == "heads") {
    q = head_norm(b, ctx.names.q_norm, q, c);
    k = head_norm(b, ctx.names.k_norm, k, c);
  }
  q = b.transpose(q, 1, 2);
  k = b.transpose(k, 1, 2);
  if (rotates(c, layer)) {
    q = rotated(b, q, *ctx.rope);
    k = rotated(b, k, *ctx.rope);
    if (c.qk_norm == "l2") {
      const op::RmsNorm plain{c.norm_layer.eps.value_or(1e-6), false};
      q = b.add(plain, {q});
      k = b.add(plain, {k});
    }
  }
  return project_out(b, attend(b, q, k, b.transpose(v, 1, 2), ctx, layer), ctx);
}

Tensor latent_queries(Builder& b, Tensor x, const DecoderConfig& c) {
  const auto width = c.num_attention_heads * (c.qk_nope_head_dim + c.qk_rope_head_dim);
  if (!c.q_lora_rank) return linear(b, "q_proj", x, width, Role::query, false);
  const auto low = linear(b, "q_a_proj", x, *c.q_lora_rank, Role::query_latent, c.attention_bias);
  return linear(b, "q_b_proj", norm(b, "q_a_layernorm", low, decoder_norm(c)), width, Role::query,
                false);
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
  auto q = b.transpose(by_head(b, latent_queries(b, x, c), heads), 1, 2);
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
  return project_out(b, attend(b, q, k, b.slice(kv, -1, nope, c.v_head_dim), ctx, layer), ctx);
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
  const auto keys = c.kv_lora_rank ? c.num_attention_heads : kv_heads(c);
  const auto type = attention_type("Attention", c.num_attention_heads, keys);
  return b.call(ctx.names.attn, type, {x}, [&] {
    return ctx.config.kv_lora_rank ? latent_attention(b, x, ctx, layer)
                                   : grouped_attention(b, x, ctx, layer);
  });
}

}  // namespace vitals
