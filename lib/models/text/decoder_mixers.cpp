#include "models/text/decoder_mixers.h"

#include "models/layers/activation_names.h"
#include "models/text/decoder_config.h"

namespace vitals {
namespace {

// A depthwise convolution over the tokens of [B, s, C] that sees none behind a token.
Tensor causal_conv(Builder& b, std::string_view name, Tensor x, std::uint64_t kernel, bool bias) {
  return b.call(name, {"Conv1d", Role::convolution, TorchClass::conv1d}, {x}, [&] {
    const auto channels = x.dim(-1);
    const auto tokens = x.dim(1);
    auto y = b.transpose(x, 1, 2);
    const bool cached = b.options().past_len > 0 && kernel > 1;
    if (cached) y = b.concat({b.state({x.dim(0), channels, kernel - 1}), y}, 2);
    op::Conv conv;
    conv.in = channels;
    conv.out = channels;
    conv.kernel[0] = static_cast<std::uint32_t>(kernel);
    conv.padding[0] = static_cast<std::uint32_t>(cached ? 0 : kernel - 1);
    conv.groups = channels;
    conv.bias = bias;
    conv.spatial_dims = 1;
    const auto weight = b.param("weight", {channels, 1, kernel});
    y = b.add(conv, {y}, weight, bias ? b.param("bias", {channels}) : kNone);
    if (y.dim(2) > tokens) y = b.slice(y, 2, 0, tokens);
    return b.transpose(y, 1, 2);
  });
}

Tensor silu(Builder& b, Tensor x) { return b.activation(x, op::ActivationKind::silu); }

Tensor sigmoid(Builder& b, Tensor x) { return b.activation(x, op::ActivationKind::sigmoid); }

NormOptions rms(const DecoderConfig& c) {
  return {.rms = true, .eps = c.norm_layer.eps.value_or(1e-6)};
}

Tensor recur(Builder& b, op::RecurrenceKind kind, const Tensors& inputs) {
  return b.add(op::LinearRecurrence{kind}, inputs);
}

// [B, s, heads * d] -> [B, s, heads, d]
Tensor split_features(Builder& b, Tensor x, std::uint64_t heads) {
  return b.reshape(x, {x.dim(0), x.dim(1), heads, x.dim(-1) / heads});
}

Tensor join_features(Builder& b, Tensor x) {
  return b.reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)});
}

// Each head of [B, s, heads, d] `times` over.
Tensor repeat_features(Builder& b, Tensor x, std::uint64_t times) {
  if (times == 1) return x;
  const auto wide = b.reshape(x, {x.dim(0), x.dim(1), x.dim(2), 1, x.dim(3)});
  const auto all = b.expand(wide, {x.dim(0), x.dim(1), x.dim(2), times, x.dim(3)});
  return b.reshape(all, {x.dim(0), x.dim(1), x.dim(2) * times, x.dim(3)});
}

Tensor mamba(Builder& b, Tensor x, const DecoderConfig& c) {
  const auto width = c.mamba_width;
  const auto state = c.mamba_state;
  const auto rank = c.mamba_dt_rank;
  b.keep_cache(
      {.key = width * state, .value = width * (c.mamba_conv - 1), .heads = 1, .window = 1});
  const auto both = linear(b, "in_proj", x, 2 * width, Role::gate_up, c.mamba_proj_bias);
  const auto gate = b.slice(both, -1, width, width);
  const auto u = silu(
      b, causal_conv(b, "conv1d", b.slice(both, -1, 0, width), c.mamba_conv, c.mamba_conv_bias));
  const auto low = linear(b, "x_proj", u, rank + 2 * state, Role::other, false);
  auto dt = b.slice(low, -1, 0, rank);
  auto in = b.slice(low, -1, rank, state);
  auto out = b.slice(low, -1, rank + state, state);
  if (c.mamba_norm) {
    dt = norm(b, "dt_layernorm", dt, rms(c));
    in = norm(b, "b_layernorm", in, rms(c));
    out = norm(b, "c_layernorm", out, rms(c));
  }
  dt = linear(b, "dt_proj", dt, width, Role::other);
  const auto decay = b.parameter("A_log", {width, state}, Role::other);
  const auto skip = b.parameter("D", {width}, Role::other);
  const auto y = recur(b, op::RecurrenceKind::selective_scan, {u, dt, decay, in, out, skip});
  return linear(b, "out_proj", y * silu(b, gate), x.dim(-1), Role::down, c.mamba_proj_bias);
}

Tensor mamba2(Builder& b, Tensor x, const DecoderConfig& c) {
  const auto heads = c.mamba_heads;
  const auto width = c.mamba_width;
  const auto groups = c.mamba_groups * c.mamba_state;
  const auto mixed = width + 2 * groups;
  b.keep_cache({.key = width * c.mamba_state,
                .value = mixed * (c.mamba_conv - 1),
                .heads = heads,
                .window = 1});
  const auto all = linear(b, "in_proj", x, width + mixed + heads, Role::gate_up, c.mamba_proj_bias);
  const auto gate = b.slice(all, -1, 0, width);
  const auto steps = b.slice(all, -1, width + mixed, heads);
  const auto dt = steps + b.parameter("dt_bias", {heads}, Role::other);
  const auto u = silu(
      b, causal_conv(b, "conv1d", b.slice(all, -1, width, mixed), c.mamba_conv, c.mamba_conv_bias));
  const auto in = split_features(b, b.slice(u, -1, width, groups), c.mamba_groups);
  const auto out = split_features(b, b.slice(u, -1, width + groups, groups), c.mamba_groups);
  const auto decay = b.parameter("A_log", {heads}, Role::other);
  const auto skip = b.parameter("D", {heads}, Role::other);
  auto y = recur(b, op::RecurrenceKind::ssd,
                 {split_features(b, b.slice(u, -1, 0, width), heads), dt, decay, in, out, skip});
  y = join_features(b, y);
  y = y * silu(b, gate);
  if (c.mamba_norm) y = norm(b, "norm", y, rms(c));
  return linear(b, "out_proj", y, x.dim(-1), Role::down, c.mamba_proj_bias);
}

Tensor gated_delta(Builder& b, Tensor x, const DecoderConfig& c) {
  const auto heads = c.linear_num_value_heads;
  const auto keys = c.linear_num_key_heads * c.linear_key_head_dim;
  const auto values = heads * c.linear_value_head_dim;
  const auto mixed = 2 * keys + values;
  b.keep_cache({.key = values * c.linear_key_head_dim,
                .value = mixed * (c.linear_conv_kernel_dim - 1),
                .heads = heads,
                .window = 1});
  const auto all = linear(b, "in_proj_qkvz", x, mixed + values, Role::qkv, false);
  const auto ba = linear(b, "in_proj_ba", x, 2 * heads, Role::other, false);
  const auto u = silu(
      b, causal_conv(b, "conv1d", b.slice(all, -1, 0, mixed), c.linear_conv_kernel_dim, false));
  const auto beta = sigmoid(b, b.slice(ba, -1, 0, heads));
  const auto steps = b.slice(ba, -1, heads, heads);
  const auto dt = steps + b.parameter("dt_bias", {heads}, Role::other);
  const auto decay = dt * b.parameter("A_log", {heads}, Role::other);
  const auto times = heads / c.linear_num_key_heads;
  const auto q = split_features(b, b.slice(u, -1, 0, keys), c.linear_num_key_heads);
  const auto k = split_features(b, b.slice(u, -1, keys, keys), c.linear_num_key_heads);
  const auto v = split_features(b, b.slice(u, -1, 2 * keys, values), heads);
  auto y = recur(b, op::RecurrenceKind::gated_delta,
                 {repeat_features(b, q, times), repeat_features(b, k, times), v, decay, beta});
  const auto gate = split_features(b, b.slice(all, -1, mixed, values), heads);
  y = norm(b, "norm", y, rms(c));
  y = y * silu(b, gate);
  return linear(b, "out_proj", join_features(b, y), x.dim(-1), Role::attention_output, false);
}

Tensor short_convolution(Builder& b, Tensor x, const DecoderConfig& c) {
  const auto width = x.dim(-1);
  b.keep_cache({.key = width * (c.conv_kernel - 1), .value = 0, .heads = 1, .window = 1});
  const auto all = linear(b, "in_proj", x, 3 * width, Role::gate_up, c.conv_bias);
  const auto gate_in = b.slice(all, -1, 0, width);
  const auto gate_out = b.slice(all, -1, width, width);
  const auto in = gate_in * b.slice(all, -1, 2 * width, width);
  const auto y = gate_out * causal_conv(b, "conv", in, c.conv_kernel, c.conv_bias);
  return linear(b, "out_proj", y, width, Role::down, c.conv_bias);
}

Tensor lightning(Builder& b, Tensor x, const DecoderConfig& c) {
  const auto heads = c.num_attention_heads;
  const auto width = heads * head_dim(c);
  b.keep_cache({.key = width * head_dim(c), .value = 0, .heads = heads, .window = 1});
  const auto qkv = activation(b, "act_fn", linear(b, "qkv_proj", x, 3 * width, Role::qkv, false),
                              activation_kind(c.hidden_act));
  auto part = [&](std::uint64_t i) {
    return split_features(b, b.slice(qkv, -1, i * width, width), heads);
  };
  auto y = recur(b, op::RecurrenceKind::linear_attention,
                 {part(0), part(1), part(2), b.constant({heads})});
  y = norm(b, "norm", join_features(b, y), rms(c));
  y = y * sigmoid(b, linear(b, "output_gate", x, width, Role::gate, false));
  return linear(b, "out_proj", y, x.dim(-1), Role::attention_output, false);
}

}  // namespace

Tensor decoder_recurrence(Builder& b, Tensor x, const DecoderContext& ctx, Mixer kind) {
  const auto& c = ctx.config;
  const auto heads = kind == Mixer::gated_delta ? c.linear_num_value_heads
                     : kind == Mixer::lightning ? c.num_attention_heads
                     : kind == Mixer::mamba2    ? c.mamba_heads
                                                : 1;
  return b.call(ctx.names.mixer, attention_type("Recurrence", heads, heads), {x}, [&] {
    switch (kind) {
      case Mixer::mamba:
        return mamba(b, x, c);
      case Mixer::mamba2:
        return mamba2(b, x, c);
      case Mixer::gated_delta:
        return gated_delta(b, x, c);
      case Mixer::convolution:
        return short_convolution(b, x, c);
      case Mixer::lightning:
        return lightning(b, x, c);
      case Mixer::none:
      case Mixer::attention:
        break;
    }
    return x;
  });
}

}  // namespace vitals
