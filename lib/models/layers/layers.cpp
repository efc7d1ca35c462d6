#include "models/layers/layers.h"

#include "core/text.h"
#include "models/layers/activation_names.h"

#include <cmath>

namespace vitals {
namespace {

op::Conv::Extent extent(const Size2& size) {
  return {static_cast<std::uint32_t>(size.height), static_cast<std::uint32_t>(size.width)};
}

}  // namespace

Tensor linear(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role,
              bool bias) {
  return b.call(name, {"Linear", role, TorchClass::linear}, {x}, [&] {
    const auto weight = b.param("weight", {out, x.dim(-1)});
    return b.linear(x, out, weight, bias ? b.param("bias", {out}) : kNone);
  });
}

Tensor conv1d(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role) {
  return b.call(name, {"Conv1D", role, TorchClass::transformers_conv1d}, {x}, [&] {
    const auto weight = b.param("weight", {x.dim(-1), out});
    return b.linear(x, out, weight, b.param("bias", {out}), true);
  });
}

Tensor embedding(Builder& b, std::string_view name, Tensor ids, std::uint64_t rows,
                 std::uint64_t dim, Role role) {
  return b.call(name, {"Embedding", role, TorchClass::embedding}, {ids}, [&] {
    return b.add(op::Embedding{rows, dim}, {ids}, b.param("weight", {rows, dim}));
  });
}

Tensor conv2d(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
              const Conv2dOptions& o) {
  return b.call(name, {"Conv2d", o.role, TorchClass::conv2d}, {x}, [&] {
    const auto in = x.dim(1);
    const auto weight = b.param("weight", {out, in / o.groups, o.kernel.height, o.kernel.width});
    op::Conv conv{in,     out, extent(o.kernel), extent(o.stride), extent(o.padding), o.groups,
                  o.bias, 2};
    return b.add(conv, {x}, weight, o.bias ? b.param("bias", {out}) : kNone);
  });
}

Tensor conv1x1(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role,
               bool bias) {
  return conv2d(b, name, x, out, {.kernel = {1, 1}, .stride = {1, 1}, .bias = bias, .role = role});
}

namespace {

// The norm with the current module's own parameters.
Tensor normed(Builder& b, Tensor x, const NormOptions& o) {
  const auto weight = o.affine ? b.param("weight", {x.dim(-1)}) : kNone;
  if (o.rms) return b.add(op::RmsNorm{o.eps, o.affine}, {x}, weight);
  const bool bias = o.affine && o.bias;
  return b.add(op::LayerNorm{o.eps, o.affine, bias}, {x}, weight,
               bias ? b.param("bias", {x.dim(-1)}) : kNone);
}

ModuleType norm_type(const NormOptions& o) {
  if (o.rms) return {"RmsNorm", Role::norm};
  return {"LayerNorm", Role::norm, TorchClass::layer_norm};
}

Tensor channels_last(Builder& b, Tensor x) { return b.permute(x, {0, 2, 3, 1}); }
Tensor channels_second(Builder& b, Tensor x) { return b.permute(x, {0, 3, 1, 2}); }

}  // namespace

Tensor norm(Builder& b, std::string_view name, Tensor x, const NormOptions& o) {
  return b.call(name, norm_type(o), {x}, [&] { return normed(b, x, o); });
}

Tensor norm2d(Builder& b, std::string_view name, Tensor x, const NormOptions& o) {
  return b.call(name, {o.rms ? "RmsNorm2d" : "LayerNorm2d", Role::norm}, {x},
                [&] { return channels_second(b, normed(b, channels_last(b, x), o)); });
}

Tensor global_response_norm(Builder& b, std::string_view name, Tensor x, bool channels_first) {
  return b.call(name, {"GlobalResponseNorm", Role::norm}, {x}, [&] {
    const auto y = channels_first ? channels_last(b, x) : x;
    const Shape channels{y.dim(-1)};
    const auto weight = b.param("weight", channels);
    const auto bias = b.param("bias", channels);
    const auto normed = b.add(op::GlobalResponseNorm{1e-6}, {y}, weight, bias);
    return channels_first ? channels_second(b, normed) : normed;
  });
}

Tensor norm(Builder& b, std::string_view name, Tensor x, const LayerSpec& layer) {
  if (same_name(layer.kind, "Affine"))
    return b.call(name, {"Affine", Role::norm}, {x}, [&] {
      const Shape shape{1, 1, x.dim(-1)};
      const auto alpha = b.parameter("alpha", shape);
      const auto scaled = x * alpha;
      return scaled + b.parameter("beta", shape, Role::norm, true);
    });
  return norm(
      b, name, x,
      NormOptions{.rms = same_name(layer.kind, "RmsNorm"), .eps = layer.eps.value_or(1e-6)});
}

Tensor group_norm(Builder& b, std::string_view name, Tensor x, std::uint64_t groups, double eps,
                  std::string_view type) {
  return b.call(name, {std::string(type), Role::norm, TorchClass::group_norm}, {x}, [&] {
    const auto weight = b.param("weight", {x.dim(1)});
    const auto bias = b.param("bias", {x.dim(1)});
    return b.add(op::GroupNorm{groups, eps, true, false}, {x}, weight, bias);
  });
}

Tensor norm_or_identity(Builder& b, std::string_view name, Tensor x, bool wanted,
                        const LayerSpec& layer) {
  if (wanted) return norm(b, name, x, layer);
  b.name(name, x);
  return x;
}

Tensor pad_zeros(Builder& b, Tensor x, int axis, std::uint64_t before, std::uint64_t after) {
  auto zeros = [&](std::uint64_t length) {
    auto shape = x.shape();
    shape[shape.index(axis)] = length;
    return b.zeros(shape);
  };
  Tensors parts;
  if (before > 0) parts.push_back(zeros(before));
  parts.push_back(x);
  if (after > 0) parts.push_back(zeros(after));
  return parts.size() > 1 ? b.concat(parts, axis) : x;
}

Tensor activation(Builder& b, std::string_view name, Tensor x, op::ActivationKind kind) {
  return b.call(name, {activation_type(kind), Role::none, TorchClass::activation}, {x},
                [&] { return b.activation(x, kind); });
}

Tensor dropout(Builder& b, std::string_view name, Tensor x, double rate) {
  return b.call(name, {"Dropout", Role::none, TorchClass::dropout}, {x},
                [&] { return b.dropout(x, rate); });
}

Tensor drop_path(Builder& b, std::string_view name, Tensor x, double rate) {
  if (rate == 0.0) return identity(b, name, x);
  return b.call(name, "DropPath", {x},
                [&] { return b.options().training ? b.add(op::DropPath{rate}, {x}) : x; });
}

Tensor identity(Builder& b, std::string_view name, Tensor x) {
  return b.call(name, {"Identity", Role::none, TorchClass::identity}, {x}, [&] { return x; });
}

Tensor layer_scale(Builder& b, std::string_view name, Tensor x) {
  return b.call(name, {"LayerScale", Role::scale}, {x},
                [&] { return x * b.parameter("gamma", {x.dim(-1)}); });
}

Tensor scaled_by(Builder& b, std::string_view name, Tensor x) {
  return x * b.parameter(name, {x.dim(-1)}, Role::scale);
}

namespace {

// Every window has its own mask: the scores are seen as [samples, windows, heads, N, N] for it.
Tensor add_window_mask(Builder& b, Tensor scores, Tensor mask) {
  const auto s = scores.shape();
  const auto windows = mask.dim(0);
  const auto apart = b.reshape(scores, {s[0] / windows, windows, s[1], s[2], s[3]});
  return b.reshape(apart + b.reshape(mask, {1, windows, 1, s[2], s[3]}), s);
}

// The fused kernel takes one additive bias: table and window mask are summed for it.
std::optional<Tensor> joint_bias(Builder& b, Shape q, const AttentionCore& o) {
  if (!o.window_mask) return o.bias;
  const auto windows = o.window_mask->dim(0);
  const auto tokens = q[2];
  const auto mask = b.expand(b.reshape(*o.window_mask, {1, windows, 1, tokens, tokens}),
                             {q[0] / windows, windows, q[1], tokens, tokens});
  const auto flat = b.reshape(mask, {q[0], q[1], tokens, tokens});
  return o.bias ? *o.bias + flat : flat;
}

Tensor fused_attention(Builder& b, const Tensors& qkv, const AttentionCore& o) {
  auto inputs = qkv;
  const auto bias = joint_bias(b, qkv[0].shape(), o);
  if (bias) inputs.push_back(*bias);
  if (o.sinks) inputs.push_back(*o.sinks);
  const double drop = b.options().training ? o.attn_drop : 0.0;
  // A single query sees all keys: there is nothing to mask.
  const bool causal = o.mask && qkv[0].dim(-2) > 1;
  return b.add(op::Sdpa{o.scale, causal, drop, bias.has_value(), o.sinks.has_value()}, inputs);
}

Tensor masked(Builder& b, Tensor scores, Tensor mask) {
  if (b.graph().nodes[mask.id()].dtype == DType::boolean)
    return b.add(op::MaskedFill{}, {scores, mask});
  return scores + mask;
}

// Softmax over the keys and the sink, which is then left out (gpt-oss, arXiv:2508.10925).
Tensor softmax_with_sinks(Builder& b, Tensor scores, Tensor sinks) {
  const auto s = scores.shape();
  const auto column = b.expand(b.reshape(sinks, {1, s[1], 1, 1}), {s[0], s[1], s[2], 1});
  return b.slice(b.softmax(b.concat({scores, column}, -1)), -1, 0, scores.dim(-1));
}

}  // namespace

Tensor attention_core(Builder& b, Tensor q, Tensor k, Tensor v, const AttentionCore& o) {
  if (b.options().attention == AttentionKernel::fused) {
    if (const auto groups = q.dim(1) / k.dim(1);
        groups > 1 && o.repeat_kv && b.options().repeat_kv) {
      k = repeat_heads(b, k, groups);
      v = repeat_heads(b, v, groups);
    }
    b.keep({q, k, v});
    return fused_attention(b, {q, k, v}, o);
  }
  if (const auto groups = q.dim(1) / k.dim(1); groups > 1) {
    k = repeat_heads(b, k, groups);
    v = repeat_heads(b, v, groups);
  }
  if (o.scale_query) q = q * o.scale;
  b.keep({q, k, v});
  auto scores = b.matmul(q, b.transpose(k, -2, -1));
  if (!o.scale_query && o.scale != 1.0) scores = scores * o.scale;
  if (o.softcap > 0)
    scores = b.activation(scores * (1.0 / o.softcap), op::ActivationKind::tanh) * o.softcap;
  if (o.bias) scores = scores + *o.bias;
  if (o.window_mask) scores = add_window_mask(b, scores, *o.window_mask);
  if (o.mask) scores = masked(b, scores, *o.mask);
  auto weights = o.sinks ? softmax_with_sinks(b, scores, *o.sinks) : b.softmax(scores);
  if (!o.drop_name.empty()) weights = dropout(b, o.drop_name, weights, o.attn_drop);
  b.keep({weights});
  return b.matmul(weights, v);
}

Tensor repeat_heads(Builder& b, Tensor x, std::uint64_t times) {
  const auto s = x.shape();
  const auto wide =
      b.expand(b.reshape(x, {s[0], s[1], 1, s[2], s[3]}), {s[0], s[1], times, s[2], s[3]});
  return b.reshape(wide, {s[0], s[1] * times, s[2], s[3]});
}

Qkv split_heads(Builder& b, Tensor qkv, std::uint64_t heads) {
  const auto head_dim = qkv.dim(-1) / 3 / heads;
  auto x = b.reshape(qkv, {qkv.dim(0), qkv.dim(1), 3, heads, head_dim});
  x = b.permute(x, {2, 0, 3, 1, 4});
  b.keep({x});
  // The original code, whose attention is written out, indexes; code with fused attention unbinds.
  if (b.options().attention == AttentionKernel::fused) {
    const auto qkv_heads = b.unbind(x, 0);
    return {qkv_heads[0], qkv_heads[1], qkv_heads[2]};
  }
  return {b.select(x, 0, 0), b.select(x, 0, 1), b.select(x, 0, 2)};
}

Tensor qkv_without_k_bias(Builder& b, Tensor x, std::uint64_t width, bool bias) {
  if (!bias) return linear(b, "qkv", x, 3 * width, Role::qkv, false);
  const auto q_bias = b.parameter("q_bias", {width}, Role::query, true);
  const auto v_bias = b.parameter("v_bias", {width}, Role::value, true);
  const auto joined = b.concat({q_bias, b.zeros({width}), v_bias}, 0);
  // The module is there for its weight and never called.
  const auto weight = b.within("qkv", {"Linear", Role::qkv, TorchClass::linear}, [&] {
    return b.param("weight", {3 * width, x.dim(-1)});
  });
  return b.linear(x, 3 * width, weight, joined);
}

Tensor unit_length(Builder& b, Tensor x) {
  const auto length = b.add(op::Reduce{op::ReduceKind::l2, -1, true}, {x});
  return b.add(op::Binary{op::BinaryKind::div}, {x, length});
}

Tensor heads_of(Builder& b, Tensor x, std::uint64_t heads) {
  return b.transpose(b.reshape(x, {x.dim(0), x.dim(1), heads, x.dim(-1) / heads}), 1, 2);
}

Tensor merge_heads(Builder& b, Tensor x) {
  return b.reshape(b.transpose(x, 1, 2), {x.dim(0), x.dim(2), x.dim(1) * x.dim(3)});
}

namespace {

// fc1 of twice the width, one half gating the other (Shazeer 2020, arXiv:2002.05202).
Tensor gated(Builder& b, Tensor x, const MlpOptions& o, bool gate_last) {
  const auto half = o.hidden / 2;
  auto both = linear(b, "fc1", x, o.hidden, Role::gate_up, o.bias);
  const auto halves = b.split(both, -1, {half, half});
  const auto first = halves[0];
  const auto second = halves[1];
  return gate_last ? first * activation(b, "act", second, o.act)
                   : activation(b, "act", first, o.act) * second;
}

Tensor fully_connected(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role,
                       const MlpOptions& o) {
  return o.conv ? conv1x1(b, name, x, out, role, o.bias) : linear(b, name, x, out, role, o.bias);
}

Tensor mlp_hidden(Builder& b, Tensor x, const MlpOptions& o) {
  const auto& kind = o.kind.kind;
  if (same_name(kind, "SwiGLU")) {
    const auto gate = linear(b, "fc1_g", x, o.hidden, Role::gate, o.bias);
    const auto value = linear(b, "fc1_x", x, o.hidden, Role::up, o.bias);
    return activation(b, "act", gate, o.act) * value;
  }
  if (same_name(kind, "SwiGLUPacked")) return gated(b, x, o, false);
  if (same_name(kind, "GluMlp")) return gated(b, x, o, o.kind.gate_last.value_or(true));
  return activation(b, "act", fully_connected(b, "fc1", x, o.hidden, Role::up, o), o.act);
}

}  // namespace

Tensor mlp(Builder& b, std::string_view name, Tensor x, const MlpOptions& o) {
  std::string_view type = o.kind.kind;
  if (type.empty()) type = "Mlp";
  if (type == "SwiGLUPacked") type = "GluMlp";
  return b.call(name, {type, Role::feed_forward}, {x}, [&] {
    auto y = dropout(b, "drop", mlp_hidden(b, x, o), o.hidden_drop.value_or(o.drop));
    if (same_name(type, "GlobalResponseNormMlp")) y = global_response_norm(b, "grn", y, o.conv);
    if (o.norm) y = norm(b, "norm", y, *o.norm);
    y = fully_connected(b, "fc2", y, x.dim(o.conv ? 1 : -1), Role::down, o);
    return dropout(b, "drop", y, o.drop);
  });
}

Tensor patch_embed(Builder& b, Tensor image, const PatchEmbedOptions& o) {
  return b.call(o.name, "PatchEmbed", {image}, [&] {
    auto x = conv2d(
        b, "proj", image, o.embed_dim,
        {.kernel = o.patch, .stride = o.patch, .bias = o.bias, .role = Role::patch_embedding});
    x = o.keep_grid ? b.permute(x, {0, 2, 3, 1})
                    : b.transpose(b.reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}), 1, 2);
    return o.norm ? norm(b, "norm", x, *o.norm) : identity(b, "norm", x);
  });
}

double drop_path_rate_at(double rate, std::uint64_t block, std::uint64_t blocks) {
  if (blocks < 2) return 0.0;
  return rate * static_cast<double>(block) / static_cast<double>(blocks - 1);
}

std::uint64_t hidden_features(std::uint64_t width, double ratio) {
  const double hidden = std::floor(static_cast<double>(width) * ratio);
  if (hidden < 1) fail("/mlp_ratio: {} leaves no hidden features of a width of {}", ratio, width);
  if (hidden > 1e12) fail("/mlp_ratio: {} makes the hidden layer too large", ratio);
  return static_cast<std::uint64_t>(hidden);
}

}  // namespace vitals
