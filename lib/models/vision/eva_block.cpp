#include "models/vision/eva_block.h"

#include <cmath>

namespace vitals {
namespace {

Qkv projected(Builder& b, Tensor x, const EvaBlock& o) {
  const auto width = x.dim(-1);
  if (!o.qkv_fused) {
    auto part = [&](std::string_view name, Role role, bool bias) {
      return heads_of(b, linear(b, name, x, width, role, bias), o.num_heads);
    };
    const auto q = part("q_proj", Role::query, o.qkv_bias);
    const auto k = part("k_proj", Role::key, o.qkv_bias && o.k_bias);
    return {q, k, part("v_proj", Role::value, o.qkv_bias)};
  }
  const auto qkv = o.k_bias ? linear(b, "qkv", x, 3 * width, Role::qkv, o.qkv_bias)
                            : qkv_without_k_bias(b, x, width, o.qkv_bias);
  return split_heads(b, qkv, o.num_heads);
}

// Class and register tokens have no place in the image and pass unrotated.
Tensor rotated(Builder& b, Tensor x, Tensor rope, const EvaBlock& o) {
  const auto patches = b.slice(x, 2, o.prefix_tokens, x.dim(2) - o.prefix_tokens);
  const auto turned = b.add(op::Rope{x.dim(-1), o.rotate_half}, {patches, rope});
  if (o.prefix_tokens == 0) return b.concat({turned}, 2);
  return b.concat({b.slice(x, 2, 0, o.prefix_tokens), turned}, 2);
}

Tensor attention(Builder& b, Tensor x, const EvaBlock& o, std::optional<Tensor> rope) {
  const auto type =
      attention_type(o.k_bias ? "AttentionRope" : "EvaAttention", o.num_heads, o.num_heads);
  return b.call("attn", type, {x}, [&] {
    auto [q, k, v] = projected(b, x, o);
    if (rope) {
      q = rotated(b, q, *rope, o);
      k = rotated(b, k, *rope, o);
    }
    const auto scale = 1.0 / std::sqrt(static_cast<double>(q.dim(-1)));
    auto y = merge_heads(
        b, attention_core(b, q, k, v,
                          {.scale = scale, .scale_query = true, .attn_drop = o.attn_drop}));
    if (o.scale_attn_inner) y = norm(b, "norm", y, o.norm);
    return dropout(b, "proj_drop", linear(b, "proj", y, x.dim(-1), Role::attention_output),
                   o.proj_drop);
  });
}

}  // namespace

Tensor eva_block(Builder& b, Tensor x, const EvaBlock& block, std::optional<Tensor> rope) {
  if (block.post_norm) {
    x = x + drop_path(b, "drop_path1", norm(b, "norm1", attention(b, x, block, rope), block.norm),
                      block.drop_path);
    return x + drop_path(b, "drop_path2", norm(b, "norm2", mlp(b, "mlp", x, block.mlp), block.norm),
                         block.drop_path);
  }
  auto scaled = [&](std::string_view name, Tensor y) {
    return block.layer_scale ? scaled_by(b, name, y) : y;
  };
  auto y = attention(b, norm(b, "norm1", x, block.norm), block, rope);
  x = x + drop_path(b, "drop_path1", scaled("gamma_1", y), block.drop_path);
  y = mlp(b, "mlp", norm(b, "norm2", x, block.norm), block.mlp);
  return x + drop_path(b, "drop_path2", scaled("gamma_2", y), block.drop_path);
}

}  // namespace vitals
