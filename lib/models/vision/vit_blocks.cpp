#include "models/vision/vit_blocks.h"

#include <cmath>

namespace vitals {
namespace {

AttentionCore core_of(const VitBlock& o) { return {.scale = o.scale, .attn_drop = o.attn_drop}; }

// What the second map is weighed with before anything is learned: more, the deeper the block.
double lambda_init(const VitBlock& o) {
  return 0.8 - 0.6 * std::exp(-0.3 * static_cast<double>(o.index));
}

// How much of the second map is taken away: exp(q1 . k1) - exp(q2 . k2) of learned vectors, plus
// what it starts from.
Tensor differential_lambda(Builder& b, std::uint64_t width, const VitBlock& o) {
  auto product = [&](std::string_view x, std::string_view y) {
    const auto first = b.parameter(x, {width}, Role::scale);
    const auto second = b.parameter(y, {width}, Role::scale);
    auto sum = b.add(op::Reduce{op::ReduceKind::sum, 0}, {first * second});
    return b.activation(sum, op::ActivationKind::exp);
  };
  const auto start = b.constant({}, [value = lambda_init(o)](std::span<float> values) {
    values[0] = static_cast<float>(value);
  });
  const auto plus = product("lambda_q1", "lambda_k1");
  const auto minus = product("lambda_q2", "lambda_k2");
  return plus - minus + start;
}

// One fused op a map: each then weighs the values by itself.
Tensor fused_difference(Builder& b, Tensor q, Tensor k, Tensor v, double scale, const VitBlock& o) {
  const Shape pairs{q.dim(0), o.num_heads, 2, q.dim(-2), q.dim(-1)};
  const auto queries = b.reshape(q, pairs);
  const auto keys = b.reshape(k, pairs);
  auto attend = [&](std::uint64_t map) {
    const auto query = b.select(queries, 2, map);
    const auto key = b.select(keys, 2, map);
    return attention_core(b, query, key, v, {.scale = scale, .attn_drop = o.attn_drop});
  };
  const auto first = attend(0);
  const auto second = attend(1);
  return first - second * differential_lambda(b, q.dim(-1), o);
}

// Two softmax maps, the second subtracted from the first (Ye et al. 2024, arXiv:2410.05258):
// 2 * heads score maps of half the head dimension; their difference weighs values of the full one.
Tensor differential_core(Builder& b, Tensor q, Tensor k, Tensor v, const VitBlock& o) {
  const auto tokens = q.dim(-2);
  const auto scale = 1.0 / std::sqrt(static_cast<double>(q.dim(-1)));
  const auto mixed = [&] {
    if (b.options().attention == AttentionKernel::fused)
      return fused_difference(b, q, k, v, scale, o);
    const auto scaled = q * scale;
    const auto scores = b.matmul(scaled, b.transpose(k, -2, -1));
    auto weights = dropout(b, "attn_drop", b.softmax(scores), o.attn_drop);
    const auto lambda = differential_lambda(b, q.dim(-1), o);
    weights = b.reshape(weights, {q.dim(0), o.num_heads, 2, tokens, tokens});
    const auto first = b.select(weights, 2, 0);
    const auto second = b.select(weights, 2, 1);
    weights = first - second * lambda;
    return b.matmul(weights, v);
  };
  return norm(b, "sub_norm", mixed(), LayerSpec{"RmsNorm", 1e-5, {}, {}, {}}) *
         (1 - lambda_init(o));
}

Tensor differential_attention(Builder& b, Tensor q, Tensor k, Tensor v, const VitBlock& o) {
  q = norm_or_identity(b, "q_norm", heads_of(b, q, 2 * o.num_heads), o.qk_norm, o.norm);
  k = norm_or_identity(b, "k_norm", heads_of(b, k, 2 * o.num_heads), o.qk_norm, o.norm);
  return merge_heads(b, differential_core(b, q, k, heads_of(b, v, o.num_heads), o));
}

Tensor mixed_tokens(Builder& b, Tensor qkv, const VitBlock& o) {
  if (o.attn_layer == "diff" || o.attn_layer == "DiffAttention") {
    const auto width = qkv.dim(-1) / 3;
    const auto q = b.slice(qkv, -1, 0, width);
    const auto k = b.slice(qkv, -1, width, width);
    const auto v = b.slice(qkv, -1, 2 * width, width);
    return differential_attention(b, q, k, v, o);
  }
  auto [q, k, v] = split_heads(b, qkv, o.num_heads);
  q = norm_or_identity(b, "q_norm", q, o.qk_norm, o.norm);
  k = norm_or_identity(b, "k_norm", k, o.qk_norm, o.norm);
  return merge_heads(b, attention_core(b, q, k, v, core_of(o)));
}

Tensor attention(Builder& b, std::string_view name, Tensor x, const VitBlock& o) {
  const bool diff = o.attn_layer == "diff" || o.attn_layer == "DiffAttention";
  return b.call(name,
                attention_type(diff ? "DiffAttention" : "Attention", o.num_heads, o.num_heads), {x},
                [&] {
                  const auto qkv = linear(b, "qkv", x, 3 * x.dim(-1), Role::qkv, o.qkv_bias);
                  auto y = mixed_tokens(b, qkv, o);
                  y = norm_or_identity(b, "norm", y, o.scale_attn_norm, o.norm);
                  y = linear(b, "proj", y, x.dim(-1), Role::attention_output, o.proj_bias);
                  return dropout(b, "proj_drop", y, o.proj_drop);
                });
}

Tensor scaled(Builder& b, std::string_view name, Tensor x, const VitBlock& o) {
  if (o.layer_scale) return layer_scale(b, name, x);
  b.name(name, x);
  return x;
}

Tensor plain_block(Builder& b, Tensor x, const VitBlock& o) {
  auto y = attention(b, "attn", norm(b, "norm1", x, o.norm), o);
  x = x + drop_path(b, "drop_path", scaled(b, "ls1", y, o), o.drop_path);
  y = mlp(b, "mlp", norm(b, "norm2", x, o.norm), o.mlp);
  return x + drop_path(b, "drop_path", scaled(b, "ls2", y, o), o.drop_path);
}

// The norm stands after the layer (Swin V2, arXiv:2111.09883).
Tensor res_post_block(Builder& b, Tensor x, const VitBlock& o) {
  x = x +
      drop_path(b, "drop_path", norm(b, "norm1", attention(b, "attn", x, o), o.norm), o.drop_path);
  return x +
         drop_path(b, "drop_path", norm(b, "norm2", mlp(b, "mlp", x, o.mlp), o.norm), o.drop_path);
}

// One projection feeds attention and MLP side by side (ViT-22B, arXiv:2302.05442).
Tensor parallel_scaling_block(Builder& b, Tensor x, const VitBlock& o) {
  const auto width = x.dim(-1);
  const auto hidden = o.mlp.hidden;
  const auto normed = norm(b, "in_norm", x, o.norm);
  const auto joint = b.call("in_proj", {"Linear", Role::qkv_up, TorchClass::linear}, {normed}, [&] {
    const auto weight = b.param("weight", {hidden + 3 * width, width});
    return b.linear(normed, hidden + 3 * width, weight,
                    o.qkv_bias ? b.param("bias", {hidden + 3 * width}) : kNone);
  });
  auto features = b.slice(joint, -1, 0, hidden);
  // Without qkv_bias the features keep a bias of their own beside the projection.
  if (!o.qkv_bias) features = features + b.parameter("mlp_bias", {hidden}, Role::up, true);
  const auto q = b.slice(joint, -1, hidden, width);
  const auto k = b.slice(joint, -1, hidden + width, width);
  const auto v = b.slice(joint, -1, hidden + 2 * width, width);

  Tensor tokens = x;
  const bool diff = o.kind == "DiffParallelScalingBlock";
  if (diff) {
    tokens = differential_attention(b, q, k, v, o);
  } else {
    const auto qn = norm_or_identity(b, "q_norm", heads_of(b, q, o.num_heads), o.qk_norm, o.norm);
    const auto kn = norm_or_identity(b, "k_norm", heads_of(b, k, o.num_heads), o.qk_norm, o.norm);
    tokens = merge_heads(b, attention_core(b, qn, kn, heads_of(b, v, o.num_heads), core_of(o)));
    tokens = linear(b, "attn_out_proj", tokens, width, Role::attention_output, o.proj_bias);
  }
  features = dropout(b, "mlp_drop", activation(b, "mlp_act", features, o.mlp.act), o.proj_drop);
  Tensor y = diff ? linear(b, "out_proj", b.concat({tokens, features}, -1), width,
                           Role::output_down, o.proj_bias)
                  : tokens + linear(b, "mlp_out_proj", features, width, Role::down, o.proj_bias);
  return x + drop_path(b, "drop_path", scaled(b, "ls", y, o), o.drop_path);
}

// Two attentions, then two MLPs, each pair summed (Touvron et al. 2022, arXiv:2203.09795).
Tensor parallel_things_block(Builder& b, Tensor x, const VitBlock& o) {
  auto both = [&](std::string_view list, auto&& layer) {
    return b.within(list, kModuleList, [&] {
      Tensors ys;
      for (const std::string_view name : {"0", "1"}) {
        ys.push_back(b.call(name, kSequential, {x}, [&] {
          auto y = layer(norm(b, "norm", x, o.norm));
          return drop_path(b, "drop_path", scaled(b, "ls", y, o), o.drop_path);
        }));
      }
      return ys;
    });
  };
  auto sum = [&](const Tensors& ys) {
    const auto& s = ys[0].shape();
    const Shape row{1, s[0], s[1], s[2]};
    const auto stacked = b.concat({b.reshape(ys[0], row), b.reshape(ys[1], row)}, 0);
    return b.add(op::Reduce{op::ReduceKind::sum, 0}, {stacked});
  };
  x = x + sum(both("attns", [&](Tensor y) { return attention(b, "attn", y, o); }));
  return x + sum(both("ffns", [&](Tensor y) { return mlp(b, "mlp", y, o.mlp); }));
}

}  // namespace

Tensor vit_block(Builder& b, Tensor x, const VitBlock& block) {
  if (block.kind == "ResPostBlock") return res_post_block(b, x, block);
  if (block.kind == "ParallelThingsBlock") return parallel_things_block(b, x, block);
  if (block.kind == "ParallelScalingBlock" || block.kind == "DiffParallelScalingBlock")
    return parallel_scaling_block(b, x, block);
  return plain_block(b, x, block);
}

}  // namespace vitals
