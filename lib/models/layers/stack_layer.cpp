#include "models/layers/stack_layer.h"

#include <string>

namespace vitals {
namespace {

Tensor projected(Builder& b, std::string_view name, Tensor x, const StackLayer& o, Role role,
                 bool bias) {
  return heads_of(b, linear(b, name, x, o.num_heads * o.head_dim, role, bias), o.num_heads);
}

// Keys or values [B, heads, tokens, d] that an earlier pass has left behind.
Tensor cached(Builder& b, const StackLayer& o, std::uint64_t tokens) {
  return b.state({b.options().batch, o.num_heads, tokens, o.head_dim});
}

struct KeysAndValues {
  Tensor k, v;
};

KeysAndValues keys_and_values(Builder& b, Tensor x, const StackLayer& o) {
  const auto k = projected(b, o.names.k, x, o, Role::key, o.qkv_bias && o.key_bias);
  return {k, projected(b, o.names.v, x, o, Role::value, o.qkv_bias)};
}

KeysAndValues with_past(Builder& b, const KeysAndValues& now, const StackLayer& o) {
  const auto past = b.options().past_len;
  if (!o.causal || past == 0) return now;
  return {b.concat({cached(b, o, past), now.k}, 2), b.concat({cached(b, o, past), now.v}, 2)};
}

// The bias that a table of relative positions gives: [1, heads, tokens, keys].
Tensor relative_bias(Builder& b, const StackLayer& o, std::uint64_t buckets, std::uint64_t tokens,
                     std::uint64_t keys) {
  const auto distances = b.constant({tokens, keys}, DType::i64);
  const auto rows =
      embedding(b, "relative_attention_bias", distances, buckets, o.num_heads, Role::position_bias);
  return b.reshape(b.permute(rows, {2, 0, 1}), {1, o.num_heads, tokens, keys});
}

// What contents and relative positions add to the scores, [B, heads, tokens, keys], scaled: queries
// with the keys of positions, and keys with the queries of positions.
std::optional<Tensor> disentangled_bias(Builder& b, Tensor q, Tensor k, const StackLayer& o,
                                        const StackContext& ctx) {
  if (!ctx.relative_embeddings) return std::nullopt;
  const auto positions = *ctx.relative_embeddings;
  const Shape shape{q.dim(0), o.num_heads, q.dim(2), k.dim(2)};
  const auto taken = [&](Tensor content, std::string_view shared, std::string_view own, Role role) {
    const auto name = ctx.own_position_projections ? own : shared;
    const auto places = projected(b, name, positions, o, role, o.qkv_bias);
    const auto scores = b.matmul(content, b.transpose(places, 2, 3));
    const auto which = b.expand(b.constant({1, 1, shape[2], shape[3]}, DType::i64), shape);
    return b.add(op::Take{op::TakeKind::elements, -1, 0}, {scores, which}) * o.scale;
  };
  std::optional<Tensor> bias;
  if (ctx.content_to_position) bias = taken(q, o.names.k, "self.pos_key_proj", Role::key);
  if (ctx.position_to_content) {
    const auto other = b.transpose(taken(k, o.names.q, "self.pos_query_proj", Role::query), 2, 3);
    bias = bias ? *bias + other : other;
  }
  return bias;
}

// Each window by itself, as the library runs it without FlashAttention.
Tensor attend_in_windows(Builder& b, Tensor q, const KeysAndValues& kv, const AttentionCore& core,
                         const std::vector<std::uint64_t>& windows) {
  const auto qs = b.split(q, 2, windows);
  const auto ks = b.split(kv.k, 2, windows);
  const auto vs = b.split(kv.v, 2, windows);
  Tensors parts;
  for (std::size_t i = 0; i < windows.size(); ++i)
    parts.push_back(merge_heads(b, attention_core(b, qs[i], ks[i], vs[i], core)));
  return parts.size() == 1 ? parts.front() : b.concat(parts, 1);
}

Tensor attend(Builder& b, Tensor q, const KeysAndValues& kv, const StackLayer& o,
              const StackContext& ctx, bool cross) {
  AttentionCore core;
  core.scale = o.scale;
  if (!cross) core.bias = disentangled_bias(b, q, kv.k, o, ctx);
  core.attn_drop = o.attn_drop;
  core.drop_name = o.attn_drop > 0 ? "dropout" : "";
  if (!cross) {
    if (!core.bias) core.bias = ctx.relative_bias;
    core.mask = ctx.mask;
  }
  if (!cross && !ctx.windows.empty()) return attend_in_windows(b, q, kv, core, ctx.windows);
  return merge_heads(b, attention_core(b, q, kv.k, kv.v, core));
}

Tensor project_out(Builder& b, Tensor y, std::uint64_t width, const StackLayer& o) {
  return b.dropout(linear(b, o.names.out, y, width, Role::attention_output, o.out_bias), o.drop);
}

ModuleType attention_module(const StackLayer& o) {
  return attention_type("Attention", o.num_heads, o.num_heads);
}

// Queries, keys and values of one matrix, [B, heads, tokens, d] each.
Qkv joint_projections(Builder& b, Tensor x, const StackLayer& o) {
  const auto width = o.num_heads * o.head_dim;
  return split_heads(b, linear(b, o.names.qkv, x, 3 * width, Role::qkv, o.qkv_bias), o.num_heads);
}

// With a norm over all heads of the queries, and of the keys.
Qkv normed_projections(Builder& b, Tensor x, const StackLayer& o) {
  const auto width = o.num_heads * o.head_dim;
  const auto q = linear(b, o.names.q, x, width, Role::query, o.qkv_bias);
  const auto k = linear(b, o.names.k, x, width, Role::key, o.qkv_bias && o.key_bias);
  const auto v = linear(b, o.names.v, x, width, Role::value, o.qkv_bias);
  const auto normed_q = norm(b, o.names.q_norm, q, *o.qk_norm);
  const auto normed_k = norm(b, o.names.k_norm, k, *o.qk_norm);
  const auto query = heads_of(b, normed_q, o.num_heads);
  const auto key = heads_of(b, normed_k, o.num_heads);
  return {query, key, heads_of(b, v, o.num_heads)};
}

Qkv projections(Builder& b, Tensor x, const StackLayer& o) {
  if (!o.names.qkv.empty()) return joint_projections(b, x, o);
  if (o.qk_norm) return normed_projections(b, x, o);
  const auto q = projected(b, o.names.q, x, o, Role::query, o.qkv_bias);
  const auto kv = keys_and_values(b, x, o);
  return {q, kv.k, kv.v};
}

Tensor turned(Builder& b, Tensor x, const StackContext& ctx) {
  if (!ctx.rope) return x;
  const op::Rope rope{x.dim(-1), true};
  if (ctx.rope_from == 0) return b.add(rope, {x, *ctx.rope});
  const auto parts = b.split(x, 2, {ctx.rope_from, x.dim(2) - ctx.rope_from});
  const auto turned_part = b.add(rope, {parts[1], *ctx.rope});
  return b.concat({parts[0], turned_part}, 2);
}

Tensor self_attention(Builder& b, Tensor x, const StackLayer& o, StackContext& ctx) {
  const auto width = o.num_heads * o.head_dim;
  if (o.causal) b.keep_cache({.key = width, .value = width, .heads = o.num_heads});
  const auto all = projections(b, x, o);
  const auto q = turned(b, all.q, ctx);
  const auto kv = with_past(b, {turned(b, all.k, ctx), all.v}, o);
  if (ctx.relative_buckets > 0 && (!ctx.relative_bias || ctx.relative_in_every_layer))
    ctx.relative_bias = relative_bias(b, o, ctx.relative_buckets, q.dim(2), kv.k.dim(2));
  return project_out(b, attend(b, q, kv, o, ctx, false), x.dim(-1), o);
}

Tensor cross_attention(Builder& b, Tensor x, const StackLayer& o, const StackContext& ctx) {
  return b.call(o.names.cross, attention_module(o), {x}, [&] {
    const auto width = o.num_heads * o.head_dim;
    b.keep_cache({.key = width, .value = width, .heads = o.num_heads, .source_tokens = o.source});
    const auto q = projected(b, o.names.q, x, o, Role::query, o.qkv_bias);
    const auto kv = ctx.encoder_output
                        ? keys_and_values(b, *ctx.encoder_output, o)
                        : KeysAndValues{cached(b, o, o.source), cached(b, o, o.source)};
    return project_out(b, attend(b, q, kv, o, ctx, true), x.dim(-1), o);
  });
}

Tensor mlp_hidden(Builder& b, Tensor x, const StackLayer& o) {
  const auto& n = o.names;
  if (o.mlp == StackMlp::gated) {
    const auto gate =
        activation(b, n.act, linear(b, n.gate, x, o.hidden, Role::gate, o.mlp_bias), o.act);
    return gate * linear(b, n.up, x, o.hidden, Role::up, o.mlp_bias);
  }
  if (o.mlp == StackMlp::packed) {
    const auto both = linear(b, n.up, x, 2 * o.hidden, Role::gate_up, o.mlp_bias);
    const auto gate = b.slice(both, -1, 0, o.hidden);
    const auto up = b.slice(both, -1, o.hidden, o.hidden);
    return activation(b, n.act, gate, o.act) * up;
  }
  return activation(b, n.act, linear(b, n.up, x, o.hidden, Role::up, o.mlp_bias), o.act);
}

Tensor feed_forward(Builder& b, Tensor x, const StackLayer& o) {
  return named_call(b, o.names.mlp, {"Mlp", Role::feed_forward}, {x}, [&] {
    const auto y = b.dropout(mlp_hidden(b, x, o), o.act_drop);
    return b.dropout(linear(b, o.names.down, y, x.dim(-1), Role::down, o.mlp_bias),
                     o.mlp_drop.value_or(o.drop));
  });
}

Tensor scaled(Builder& b, std::string_view name, Tensor y) {
  if (name.empty()) return y;
  return b.call(name, {"LayerScale", Role::scale}, {y},
                [&] { return y * b.parameter("lambda1", {y.dim(-1)}); });
}

// x + f(norm(x)), or norm(x + f(x)).
template <class F>
Tensor residual(Builder& b, Tensor x, const StackLayer& o, std::string_view norm_name,
                std::string_view scale_name, F&& f, bool has_norm = true) {
  const bool before = o.pre_norm && has_norm;
  auto y = scaled(b, scale_name, f(before ? norm(b, norm_name, x, o.norm) : x));
  if (o.drop_path > 0) y = drop_path(b, "drop_path", y, o.drop_path);
  return o.pre_norm ? x + y : norm(b, norm_name, x + y, o.norm);
}

// Libraries whose names put the norm into the attention's module (BertAttention) add and normalise
// there, too.
Tensor attention_part(Builder& b, Tensor x, const StackLayer& o, StackContext& ctx) {
  const auto& n = o.names;
  const auto type = attention_module(o);
  const bool inside = !n.attn.empty() && n.attn_norm.starts_with(n.attn) &&
                      n.attn_norm.substr(n.attn.size()).starts_with('.');
  if (!inside)
    return residual(
        b, x, o, n.attn_norm, n.attn_scale,
        [&](Tensor y) {
          return named_call(b, n.attn, type, {y}, [&] { return self_attention(b, y, o, ctx); });
        },
        o.first_norm);
  return b.call(n.attn, type, {x}, [&] {
    return residual(
        b, x, o, n.attn_norm.substr(n.attn.size() + 1), n.attn_scale,
        [&](Tensor y) { return self_attention(b, y, o, ctx); }, o.first_norm);
  });
}

}  // namespace

Tensor stack_layer(Builder& b, Tensor x, const StackLayer& layer, StackContext& ctx) {
  const auto& n = layer.names;
  x = attention_part(b, x, layer, ctx);
  if (layer.source > 0)
    x = residual(b, x, layer, n.cross_norm, "",
                 [&](Tensor y) { return cross_attention(b, y, layer, ctx); });
  return residual(b, x, layer, n.mlp_norm, n.mlp_scale,
                  [&](Tensor y) { return feed_forward(b, y, layer); });
}

Tensor layer_stack(Builder& b, std::string_view list, std::string_view type, Tensor x,
                   std::uint64_t count, const StackLayer& layer, StackContext& ctx,
                   std::uint64_t from) {
  return b.within(list, kModuleList, [&] {
    for (std::uint64_t i = from; i < count; ++i) {
      auto o = layer;
      o.first_norm = layer.first_norm || i > 0;
      if (!layer.drop_path_constant) o.drop_path = drop_path_rate_at(layer.drop_path, i, count);
      x = b.layer(i, type, {x}, [&] { return stack_layer(b, x, o, ctx); });
    }
    return x;
  });
}

}  // namespace vitals
