#include "models/layers/activation_names.h"
#include "models/text/decoder_config.h"
#include "models/text/decoder_layers.h"

namespace vitals {
namespace {

Tensor project(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role,
               const DecoderContext& ctx) {
  return ctx.names.conv1d ? conv1d(b, name, x, out, role)
                          : linear(b, name, x, out, role, ctx.config.mlp_bias);
}

// down(act(up(x))), or down(act(gate(x)) * up(x)) (Shazeer 2020, arXiv:2002.05202).
Tensor dense(Builder& b, Tensor x, std::uint64_t width, const DecoderContext& ctx) {
  const auto& n = ctx.names;
  const auto act = activation_kind(ctx.config.hidden_act);
  Tensor y = x;
  if (!ctx.config.mlp_gated) {
    y = activation(b, n.act, project(b, n.up, x, width, Role::up, ctx), act);
  } else if (n.gate_up.empty()) {
    const auto gate = activation(b, n.act, project(b, n.gate, x, width, Role::gate, ctx), act);
    y = gate * project(b, n.up, x, width, Role::up, ctx);
  } else {
    const auto both = project(b, n.gate_up, x, 2 * width, Role::gate_up, ctx);
    const auto gate = b.slice(both, -1, 0, width);
    const auto up = b.slice(both, -1, width, width);
    y = activation(b, n.act, gate, act) * up;
  }
  return project(b, n.down, y, ctx.config.hidden_size, Role::down, ctx);
}

Tensor feed_forward(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer) {
  const bool wide = ctx.config.wide_shared_layers && shares_keys(ctx.config, layer);
  const auto y = dense(b, x, (wide ? 2 : 1) * intermediate_size(ctx.config), ctx);
  const auto rate = feed_forward_drop(ctx.config);
  return rate > 0 ? dropout(b, "dropout", y, rate) : y;
}

// The weights of the chosen experts, [rows, active].
Tensor route(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  return b.call(ctx.names.router, {"Router", Role::router}, {x}, [&] {
    const auto weight = b.param("weight", {c.num_experts, c.hidden_size});
    auto scores = b.linear(x, c.num_experts, weight,
                           c.router_bias ? b.param("bias", {c.num_experts}) : kNone);
    const bool sigmoid = c.router_activation == "sigmoid";
    scores = sigmoid ? b.activation(scores, op::ActivationKind::sigmoid) : b.softmax(scores);
    if (c.router_correction_bias) {
      // Moved by the load of the experts, not by a gradient (DeepSeek-V3, arXiv:2412.19437, 2.1.2).
      const auto bias =
          b.param("e_score_correction_bias", {c.num_experts}, c.router_correction_buffer);
      b.graph().params[bias].trainable = false;
      scores = scores + b.add(op::Parameter{{c.num_experts}}, {}, bias);
    }
    return b.add(op::TopK{c.num_experts_per_tok}, {scores});
  });
}

// One matrix of every expert; `stacked` ones are stored as a tensor an expert.
Tensor expert_linear(Builder& b, std::string_view name, Tensor x, Tensor choice, std::uint64_t out,
                     Role role, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  const bool stacked = ctx.names.expert_gate_up.empty();
  const op::ExpertLinear op{c.num_experts, c.num_experts_per_tok, x.dim(-1),
                            out,           c.expert_bias,         !stacked};
  const Shape shape = stacked ? Shape{op.experts, out, op.in} : Shape{op.experts, op.in, out};
  const std::string base(name);
  const auto weight = b.param(stacked ? base + ".weight" : base, shape, role);
  b.graph().params[weight].stacked = stacked;
  if (c.expert_format == "MXFP4") b.graph().params[weight].stored_format = "MXFP4";
  auto bias = kNone;
  if (c.expert_bias) {
    bias = b.param(base + (stacked ? ".bias" : "_bias"), {op.experts, out}, role);
    b.graph().params[bias].stacked = stacked;
  }
  return b.add(op, {x, choice}, weight, bias);
}

// [rows, h] -> [rows, active, h]
Tensor run_experts(Builder& b, Tensor x, Tensor choice, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  const auto& n = ctx.names;
  const auto width = c.moe_intermediate_size;
  return b.call("experts", {"Experts", Role::experts}, {x, choice}, [&] {
    const auto act = activation_kind(c.hidden_act);
    Tensor y = x;
    if (!c.mlp_gated) {
      y = b.activation(expert_linear(b, n.expert_up, x, choice, width, Role::up, ctx), act);
    } else if (n.expert_gate_up.empty()) {
      const auto gate = expert_linear(b, n.expert_gate, x, choice, width, Role::gate, ctx);
      const auto active = b.activation(gate, act);
      y = active * expert_linear(b, n.expert_up, x, choice, width, Role::up, ctx);
    } else {
      const auto both =
          expert_linear(b, n.expert_gate_up, x, choice, 2 * width, Role::gate_up, ctx);
      const auto gate = b.slice(both, -1, 0, width);
      const auto up = b.slice(both, -1, width, width);
      y = b.activation(gate, act) * up;
    }
    return expert_linear(b, n.expert_down, y, choice, x.dim(-1), Role::down, ctx);
  });
}

Tensor shared_expert(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto& n = ctx.names;
  auto y = b.call(n.shared, {"MLP", Role::feed_forward}, {x},
                  [&] { return dense(b, x, ctx.config.shared_expert_intermediate_size, ctx); });
  if (!ctx.config.shared_expert_gate) return y;
  const auto gate = linear(b, n.shared_gate, x, 1, Role::shared_gate, false);
  return b.activation(gate, op::ActivationKind::sigmoid) * y;
}

// Every token through the experts that its router chose, and through the shared one
// (Shazeer et al. 2017, arXiv:1701.06538; DeepSeekMoE, arXiv:2401.06066).
Tensor mixture(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto rows = x.dim(0) * x.dim(1);
  const auto width = x.dim(-1);
  const auto active = ctx.config.num_experts_per_tok;
  const auto flat = b.reshape(x, {rows, width});
  const auto choice = route(b, flat, ctx);
  // The experts of a latent (Nemotron 3) work between two projections that all share.
  const auto latent = ctx.config.moe_latent_size;
  const auto input =
      latent > 0 ? linear(b, "fc1_latent_proj", flat, latent, Role::projection, ctx.config.mlp_bias)
                 : flat;
  auto y = run_experts(b, input, choice, ctx);
  y = y * b.reshape(choice, {rows, active, 1});
  y = b.add(op::Reduce{op::ReduceKind::sum, 1}, {y});
  if (latent > 0) y = linear(b, "fc2_latent_proj", y, width, Role::projection, ctx.config.mlp_bias);
  if (ctx.config.shared_expert_intermediate_size > 0) y = y + shared_expert(b, flat, ctx);
  return b.reshape(y, x.shape());
}

// Gemma 4's router: the features normed without weights, scaled one by one, then the scores, and a
// factor for each expert that is chosen.
Tensor scaled_route(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto& c = ctx.config;
  return b.call(ctx.names.router, {"Router", Role::router}, {x}, [&] {
    auto norm_options = decoder_norm(c);
    norm_options.affine = false;
    auto y = norm(b, "norm", x, norm_options);
    const auto scale = b.parameter("scale", {c.hidden_size});
    y = y * scale;
    const auto scores = b.softmax(linear(b, "proj", y, c.num_experts, Role::router, false));
    const auto factors = b.parameter("per_expert_scale", {c.num_experts});
    return b.add(op::TopK{c.num_experts_per_tok}, {scores * factors});
  });
}

}  // namespace

Tensor experts_beside(Builder& b, Tensor x, const DecoderContext& ctx) {
  const auto rows = x.dim(0) * x.dim(1);
  const auto flat = b.reshape(x, {rows, x.dim(2)});
  const auto choice = scaled_route(b, flat, ctx);
  const auto input = norm(b, "pre_feedforward_layernorm_2", flat, decoder_norm(ctx.config));
  auto y = run_experts(b, input, choice, ctx);
  y = y * b.reshape(choice, {rows, ctx.config.num_experts_per_tok, 1});
  y = b.add(op::Reduce{op::ReduceKind::sum, 1}, {y});
  return norm(b, "post_feedforward_layernorm_2", b.reshape(y, x.shape()), decoder_norm(ctx.config));
}

Tensor decoder_feed_forward(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer) {
  const auto& c = ctx.config;
  if (layer_kind(c, layer).experts && !c.experts_beside_dense)
    return b.call(ctx.names.moe, {"MoE", Role::mixture}, {x}, [&] { return mixture(b, x, ctx); });
  if (ctx.names.mlp.empty()) return feed_forward(b, x, ctx, layer);
  return b.call(ctx.names.mlp, {"MLP", Role::feed_forward}, {x},
                [&] { return feed_forward(b, x, ctx, layer); });
}

}  // namespace vitals
