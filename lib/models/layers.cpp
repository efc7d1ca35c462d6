#include "models/layers.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace vitals {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

op::Conv::Extent extent(const Size2& size) {
  return {static_cast<std::uint32_t>(size.height), static_cast<std::uint32_t>(size.width)};
}

}  // namespace

Tensor linear(Builder& b, std::string_view name, Tensor x, std::uint64_t out, bool bias) {
  return b.call(name, "Linear", {x}, [&] {
    const auto weight = b.param("weight", {out, x.dim(-1)});
    return b.linear(x, out, weight, bias ? b.param("bias", {out}) : kNone);
  });
}

Tensor conv2d(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
              const Conv2dOptions& o) {
  return b.call(name, "Conv2d", {x}, [&] {
    const auto in = x.dim(1);
    const auto weight = b.param("weight", {out, in / o.groups, o.kernel.height, o.kernel.width});
    op::Conv conv{in,     out, extent(o.kernel), extent(o.stride), extent(o.padding), o.groups,
                  o.bias, 2};
    return b.add(conv, {x}, weight, o.bias ? b.param("bias", {out}) : kNone);
  });
}

Tensor norm(Builder& b, std::string_view name, Tensor x, const LayerSpec& layer) {
  const bool rms = same_name(layer.kind, "RmsNorm");
  return b.call(name, rms ? "RmsNorm" : "LayerNorm", {x}, [&] {
    const double eps = layer.eps.value_or(1e-6);
    const auto weight = b.param("weight", {x.dim(-1)});
    if (rms) return b.add(op::RmsNorm{eps}, {x}, weight);
    return b.add(op::LayerNorm{eps}, {x}, weight, b.param("bias", {x.dim(-1)}));
  });
}

Tensor pad_zeros(Builder& b, Tensor x, int axis, std::uint64_t before, std::uint64_t after) {
  auto zeros = [&](std::uint64_t length) {
    auto shape = x.shape();
    shape[shape.index(axis)] = length;
    return b.constant(shape);
  };
  Tensors parts;
  if (before > 0) parts.push_back(zeros(before));
  parts.push_back(x);
  if (after > 0) parts.push_back(zeros(after));
  return parts.size() > 1 ? b.concat(parts, axis) : x;
}

Tensor activation(Builder& b, std::string_view name, Tensor x, op::ActivationKind kind) {
  return b.call(name, activation_type(kind), {x}, [&] { return b.activation(x, kind); });
}

Tensor dropout(Builder& b, std::string_view name, Tensor x, double rate) {
  return b.call(name, "Dropout", {x}, [&] { return b.dropout(x, rate); });
}

Tensor drop_path(Builder& b, std::string_view name, Tensor x, double rate) {
  if (rate == 0.0) return identity(b, name, x);
  return b.call(name, "DropPath", {x},
                [&] { return b.options().training ? b.add(op::DropPath{rate}, {x}) : x; });
}

Tensor identity(Builder& b, std::string_view name, Tensor x) {
  return b.call(name, "Identity", {x}, [&] { return x; });
}

Tensor layer_scale(Builder& b, std::string_view name, Tensor x) {
  return b.call(name, "LayerScale", {x}, [&] { return x * b.parameter("gamma", {x.dim(-1)}); });
}

op::ActivationKind activation_kind(std::string_view name) {
  using enum op::ActivationKind;
  constexpr std::pair<std::string_view, op::ActivationKind> kKinds[] = {
      {"gelu", gelu}, {"gelu_tanh", gelu_tanh}, {"quick_gelu", quick_gelu},
      {"silu", silu}, {"swish", silu},          {"relu", relu},
      {"tanh", tanh}, {"sigmoid", sigmoid}};
  for (const auto& [known, kind] : kKinds)
    if (same_name(known, name)) return kind;
  fail("unknown activation '{}'; known are: {}", name, fmt::join(kActivationNames, ", "));
}

std::string_view activation_type(op::ActivationKind kind) {
  using enum op::ActivationKind;
  switch (kind) {
    case gelu:
      return "GELU";
    case gelu_tanh:
      return "GELUTanh";
    case quick_gelu:
      return "QuickGELU";
    case silu:
      return "SiLU";
    case relu:
      return "ReLU";
    case relu_squared:
      return "ReLUSquared";
    case tanh:
      return "Tanh";
    case sigmoid:
      return "Sigmoid";
    case softplus:
      return "Softplus";
    case exp:
      return "Exp";
  }
  return "?";
}

namespace {

// Every window has its own mask: the scores are seen as [samples, windows, heads, N, N] for it.
Tensor add_window_mask(Builder& b, Tensor scores, Tensor mask) {
  const auto& s = scores.shape();
  const auto windows = mask.dim(0);
  const auto apart = b.reshape(scores, {s[0] / windows, windows, s[1], s[2], s[3]});
  return b.reshape(apart + b.reshape(mask, {1, windows, 1, s[2], s[3]}), s);
}

// The fused kernel takes one additive bias: table and window mask are summed for it.
std::optional<Tensor> joint_bias(Builder& b, const Shape& q, const AttentionCore& o) {
  if (!o.window_mask) return o.bias;
  const auto windows = o.window_mask->dim(0);
  const auto tokens = q[2];
  const auto mask = b.expand(b.reshape(*o.window_mask, {1, windows, 1, tokens, tokens}),
                             {q[0] / windows, windows, q[1], tokens, tokens});
  const auto flat = b.reshape(mask, {q[0], q[1], tokens, tokens});
  return o.bias ? *o.bias + flat : flat;
}

}  // namespace

Tensor attention_core(Builder& b, Tensor q, Tensor k, Tensor v, const AttentionCore& o) {
  if (b.options().attention == AttentionKernel::fused) {
    Tensors inputs{q, k, v};
    if (const auto bias = joint_bias(b, q.shape(), o)) inputs.push_back(*bias);
    const double drop = b.options().training ? o.attn_drop : 0.0;
    return b.add(op::Sdpa{o.scale, false, drop}, inputs);
  }
  if (o.scale_query) q = q * o.scale;
  auto scores = b.matmul(q, b.transpose(k, -2, -1));
  if (!o.scale_query) scores = scores * o.scale;
  if (o.bias) scores = scores + *o.bias;
  if (o.window_mask) scores = add_window_mask(b, scores, *o.window_mask);
  auto weights = dropout(b, "attn_drop", b.softmax(scores), o.attn_drop);
  return b.matmul(weights, v);
}

Qkv split_heads(Builder& b, Tensor qkv, std::uint64_t heads) {
  const auto head_dim = qkv.dim(-1) / 3 / heads;
  auto x = b.reshape(qkv, {qkv.dim(0), qkv.dim(1), 3, heads, head_dim});
  x = b.permute(x, {2, 0, 3, 1, 4});
  return {b.select(x, 0, 0), b.select(x, 0, 1), b.select(x, 0, 2)};
}

Tensor heads_of(Builder& b, Tensor x, std::uint64_t heads) {
  return b.transpose(b.reshape(x, {x.dim(0), x.dim(1), heads, x.dim(-1) / heads}), 1, 2);
}

Tensor merge_heads(Builder& b, Tensor x) {
  return b.reshape(b.transpose(x, 1, 2), {x.dim(0), x.dim(2), x.dim(1) * x.dim(3)});
}

namespace {

// fc1 of twice the width, one half gating the other (Shazeer 2020, arXiv:2002.05202).
Tensor gated(Builder& b, Tensor x, const MlpOptions& o, op::ActivationKind act, bool gate_last) {
  const auto half = o.hidden / 2;
  auto both = linear(b, "fc1", x, o.hidden, o.bias);
  const auto first = b.slice(both, -1, 0, half);
  const auto second = b.slice(both, -1, half, half);
  return gate_last ? first * activation(b, "act", second, act)
                   : activation(b, "act", first, act) * second;
}

Tensor mlp_hidden(Builder& b, Tensor x, const MlpOptions& o) {
  const auto& kind = o.kind.kind;
  if (same_name(kind, "SwiGLU")) {
    const auto gate = linear(b, "fc1_g", x, o.hidden, o.bias);
    const auto value = linear(b, "fc1_x", x, o.hidden, o.bias);
    return activation(b, "act", gate, op::ActivationKind::silu) * value;
  }
  if (same_name(kind, "SwiGLUPacked")) return gated(b, x, o, op::ActivationKind::silu, false);
  if (same_name(kind, "GluMlp")) {
    const auto act = o.kind.act_layer ? activation_kind(*o.kind.act_layer) : o.act;
    return gated(b, x, o, act, o.kind.gate_last.value_or(true));
  }
  return activation(b, "act", linear(b, "fc1", x, o.hidden, o.bias), o.act);
}

}  // namespace

Tensor mlp(Builder& b, std::string_view name, Tensor x, const MlpOptions& o) {
  const auto type = o.kind.kind == "SwiGLUPacked" ? std::string_view("GluMlp") : o.kind.kind;
  return b.call(name, type, {x}, [&] {
    auto y = dropout(b, "drop", mlp_hidden(b, x, o), o.drop);
    if (o.norm) y = norm(b, "norm", y, *o.norm);
    y = linear(b, "fc2", y, x.dim(-1), o.bias);
    return dropout(b, "drop", y, o.drop);
  });
}

Tensor patch_embed(Builder& b, Tensor image, const PatchEmbedOptions& o) {
  return b.call(o.name, "PatchEmbed", {image}, [&] {
    auto x = conv2d(b, "proj", image, o.embed_dim,
                    {.kernel = o.patch, .stride = o.patch, .bias = o.bias});
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
