#include "models/diffusion/unet.h"

#include "models/diffusion/latent_blocks.h"

#include <cmath>

namespace vitals {
namespace {

std::uint64_t value_at(const std::vector<std::uint64_t>& values, std::size_t i) {
  return values.size() == 1 ? values[0] : values[i];
}

void check_kinds(std::string_view field, const std::vector<std::string>& kinds,
                 std::string_view plain, std::string_view crossing, std::size_t blocks) {
  if (kinds.size() != blocks)
    fail("/{}: {} blocks, but block_out_channels has {}", field, kinds.size(), blocks);
  for (const auto& kind : kinds)
    if (kind != plain && kind != crossing)
      fail("/{}: '{}' is not known; known are '{}' and '{}'", field, kind, plain, crossing);
}

void validate(const UnetConfig& c) {
  const auto n = c.block_out_channels.size();
  check_kinds("down_block_types", c.down_block_types, "DownBlock2D", "CrossAttnDownBlock2D", n);
  check_kinds("up_block_types", c.up_block_types, "UpBlock2D", "CrossAttnUpBlock2D", n);
  for (const auto* list : {&c.transformer_layers_per_block, &c.attention_heads})
    if (list->size() != 1 && list->size() != n)
      fail("/block_out_channels: {} blocks, but there are {} layers or heads of blocks", n,
           list->size());
  for (std::size_t i = 0; i < n; ++i)
    if (c.block_out_channels[i] % value_at(c.attention_heads, i) != 0)
      fail("/attention_heads: {} heads do not divide {} channels", value_at(c.attention_heads, i),
           c.block_out_channels[i]);
}

Tensor embedded(Builder& b, std::string_view name, Tensor x, std::uint64_t width) {
  return b.call(name, "TimestepEmbedding", {x}, [&] {
    const auto y = linear(b, "linear_1", x, width, Role::projection);
    return linear(b, "linear_2", b.activation(y, op::ActivationKind::silu), width,
                  Role::projection);
  });
}

// Queries of x, keys and values of `source`.
Tensor attend(Builder& b, std::string_view name, Tensor x, Tensor source, std::uint64_t heads) {
  return b.call(name, attention_type("Attention", heads, heads), {x, source}, [&] {
    const auto width = x.dim(-1);
    auto part = [&](std::string_view which, Tensor from, Role role) {
      return heads_of(b, linear(b, which, from, width, role, false), heads);
    };
    const auto q = part("to_q", x, Role::query);
    const auto k = part("to_k", source, Role::key);
    const auto v = part("to_v", source, Role::value);
    const AttentionCore core{.scale = 1.0 / std::sqrt(static_cast<double>(width / heads)),
                             .drop_name = {}};
    return linear(b, "to_out.0", merge_heads(b, attention_core(b, q, k, v, core)), width,
                  Role::attention_output);
  });
}

Tensor transformer_block(Builder& b, Tensor x, Tensor text, std::uint64_t heads) {
  const NormOptions layer{.eps = 1e-5};
  const auto own = norm(b, "norm1", x, layer);
  x = x + attend(b, "attn1", own, own, heads);
  x = x + attend(b, "attn2", norm(b, "norm2", x, layer), text, heads);
  const auto normed = norm(b, "norm3", x, layer);
  return x + b.call("ff", {"FeedForward", Role::feed_forward}, {normed}, [&] {
    const auto width = x.dim(-1);
    const auto both = linear(b, "net.0.proj", normed, 8 * width, Role::gate_up);
    const auto halves = b.split(both, -1, {4 * width, 4 * width});
    const auto y = halves[0] * b.activation(halves[1], op::ActivationKind::gelu);
    return linear(b, "net.2", y, width, Role::down);
  });
}

// Transformer2DModel: attention among the places, and from them to the text.
Tensor transformer(Builder& b, std::string_view name, Tensor x, Tensor text, std::size_t index,
                   const UnetConfig& c) {
  return b.call(name, "Transformer2DModel", {x, text}, [&] {
    const auto width = x.dim(1);
    auto y = latent_norm(b, "norm", x, c.norm_num_groups);
    y = c.use_linear_projection ? linear(b, "proj_in", as_sequence(b, y), width, Role::projection)
                                : as_sequence(b, latent_conv(b, "proj_in", y, width, 1));
    y = b.within("transformer_blocks", kModuleList, [&] {
      for (std::uint64_t i = 0; i < value_at(c.transformer_layers_per_block, index); ++i)
        y = b.layer(i, "BasicTransformerBlock", {y, text}, [&] {
          return transformer_block(b, y, text, value_at(c.attention_heads, index));
        });
      return y;
    });
    y = c.use_linear_projection
            ? as_image(b, linear(b, "proj_out", y, width, Role::projection), x.shape())
            : latent_conv(b, "proj_out", as_image(b, y, x.shape()), width, 1);
    return x + y;
  });
}

class Unet {
 public:
  Unet(Builder& b, const UnetConfig& c, Tensor time, Tensor text)
      : b_(b), c_(c), time_(time), text_(text) {}

  Tensor run(Tensor latents) {
    const auto n = c_.block_out_channels.size();
    auto x = latent_conv(b_, "conv_in", latents, c_.block_out_channels[0]);
    Tensors skips{x};
    for (std::size_t i = 0; i < n; ++i)
      x = b_.call("down_blocks." + std::to_string(i), c_.down_block_types[i], {x},
                  [&] { return down(x, i, i + 1 == n, skips); });
    b_.graph().num_tokens = x.dim(2) * x.dim(3);
    x = b_.call("mid_block", "UNetMidBlock2DCrossAttn", {x}, [&] {
      auto y = resnet("resnets.0", x, x.dim(1));
      y = transformer(b_, "attentions.0", y, text_, n - 1, c_);
      return resnet("resnets.1", y, x.dim(1));
    });
    for (std::size_t i = 0; i < n; ++i)
      x = b_.call("up_blocks." + std::to_string(i), c_.up_block_types[i], {x},
                  [&] { return up(x, i, i + 1 == n, skips); });
    return latent_end(b_, x, c_.out_channels, c_.norm_num_groups);
  }

 private:
  Tensor resnet(const std::string& name, Tensor x, std::uint64_t out) {
    return latent_resnet(b_, name, x, out, c_.norm_num_groups, time_);
  }

  Tensor down(Tensor x, std::size_t i, bool last, Tensors& skips) {
    const bool crosses = c_.down_block_types[i] == "CrossAttnDownBlock2D";
    for (std::uint64_t j = 0; j < c_.layers_per_block; ++j) {
      x = resnet("resnets." + std::to_string(j), x, c_.block_out_channels[i]);
      if (crosses) x = transformer(b_, "attentions." + std::to_string(j), x, text_, i, c_);
      skips.push_back(x);
    }
    if (last) return x;
    skips.push_back(halved(b_, x));
    return skips.back();
  }

  // What the way down has left is joined again, the last first.
  Tensor up(Tensor x, std::size_t i, bool last, Tensors& skips) {
    const auto from = c_.block_out_channels.size() - 1 - i;
    const bool crosses = c_.up_block_types[i] == "CrossAttnUpBlock2D";
    for (std::uint64_t j = 0; j <= c_.layers_per_block; ++j) {
      const auto joined = b_.concat({x, skips.back()}, 1);
      skips.pop_back();
      x = resnet("resnets." + std::to_string(j), joined, c_.block_out_channels[from]);
      if (crosses) x = transformer(b_, "attentions." + std::to_string(j), x, text_, from, c_);
    }
    return last ? x : doubled(b_, x, skips.back().dim(2), skips.back().dim(3));
  }

  Builder& b_;
  const UnetConfig& c_;
  Tensor time_;
  Tensor text_;
};

Tensors forward(Builder& b, const UnetConfig& c) {
  b.graph().modules[0].type = "UNet2DConditionModel";
  const auto batch = b.options().batch;
  const auto first = c.block_out_channels[0];
  const auto latents = b.input({batch, c.in_channels, c.sample_size, c.sample_size});
  const auto width = c.text_dim > 0 ? c.text_dim : c.cross_attention_dim;
  auto text = b.input({batch, c.text_len, width});
  auto time = embedded(b, "time_embedding", b.constant({batch, first}), 4 * first);
  if (c.added_dim > 0)
    time = time + embedded(b, "add_embedding", b.input({batch, c.added_dim}), 4 * first);
  if (c.text_dim > 0)
    text = linear(b, "encoder_hid_proj", text, c.cross_attention_dim, Role::projection);
  return {Unet(b, c, time, text).run(latents)};
}

std::vector<Field> unet_block_fields() {
  using C = UnetConfig;
  return {
      field<&C::block_out_channels>("block_out_channels", "Channels of each block.")
          .between(1, kMaxWidth),
      field<&C::down_block_types>("down_block_types", "DownBlock2D, or CrossAttnDownBlock2D."),
      field<&C::up_block_types>("up_block_types", "UpBlock2D, or CrossAttnUpBlock2D."),
      field<&C::layers_per_block>("layers_per_block", "Residual blocks of a block.")
          .between(1, kMaxDepth),
      field<&C::transformer_layers_per_block>("transformer_layers_per_block",
                                              "Layers of each block's transformers.")
          .between(1, kMaxDepth),
      field<&C::attention_heads>("attention_heads", "Heads of each block.").between(1, kMaxWidth),
      field<&C::norm_num_groups>("norm_num_groups", "Groups of the norms.").between(1, kMaxWidth),
      field<&C::use_linear_projection>("use_linear_projection",
                                       "Linear layers around the transformers, not convolutions."),
  };
}

std::vector<Field> unet_input_fields() {
  using C = UnetConfig;
  return {
      field<&C::sample_size>("sample_size", "Side of the latents.").between(1, kMaxSide),
      field<&C::in_channels>("in_channels", "Channels of the latents.").between(1, kMaxWidth),
      field<&C::out_channels>("out_channels", "Channels of the result.").between(1, kMaxWidth),
      field<&C::cross_attention_dim>("cross_attention_dim", "Width of the text that is read.")
          .between(1, kMaxWidth),
      field<&C::text_len>("text_len", "Tokens of the text.").between(1, kMaxSide),
      field<&C::text_dim>("text_dim", "Width of the text before a projection; 0: there is none.")
          .at_most(kMaxWidth),
      field<&C::added_dim>("added_dim",
                           "Width of what is added to the time step (sizes, the text's vector).")
          .at_most(kMaxWidth),
  };
}

}  // namespace

Architecture unet_architecture() {
  auto a = architecture<UnetConfig, validate, forward>(
      "unet", "The UNet of Stable Diffusion 1, 2 and XL: diffusers' UNet2DConditionModel.");
  a.fields = all_fields(unet_input_fields(), unet_block_fields());
  return a;
}

}  // namespace vitals
