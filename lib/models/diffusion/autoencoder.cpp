#include "models/diffusion/autoencoder.h"

#include "models/diffusion/latent_blocks.h"

#include <cmath>

namespace vitals {
namespace {

void validate(const AutoencoderConfig& c) {
  if (c.sample_size >> (c.block_out_channels.size() - 1) == 0)
    fail("/sample_size: {} is too small for {} blocks", c.sample_size, c.block_out_channels.size());
}

Tensor resnet(Builder& b, std::uint64_t index, Tensor x, std::uint64_t out,
              const AutoencoderConfig& c) {
  return latent_resnet(b, "resnets." + std::to_string(index), x, out, c.norm_num_groups, {});
}

// One head over all places.
Tensor place_attention(Builder& b, Tensor x, const AutoencoderConfig& c) {
  return b.call("attentions.0", attention_type("Attention", 1, 1), {x}, [&] {
    const auto width = x.dim(1);
    const auto y = as_sequence(b, latent_norm(b, "group_norm", x, c.norm_num_groups));
    auto part = [&](std::string_view name, Role role) {
      return heads_of(b, linear(b, name, y, width, role), 1);
    };
    const auto q = part("to_q", Role::query);
    const auto k = part("to_k", Role::key);
    const auto v = part("to_v", Role::value);
    const AttentionCore core{.scale = 1.0 / std::sqrt(static_cast<double>(width)), .drop_name = {}};
    const auto z = linear(b, "to_out.0", merge_heads(b, attention_core(b, q, k, v, core)), width,
                          Role::attention_output);
    return x + as_image(b, z, x.shape());
  });
}

Tensor middle(Builder& b, Tensor x, const AutoencoderConfig& c) {
  return b.call("mid_block", "UNetMidBlock2D", {x}, [&] {
    auto y = resnet(b, 0, x, x.dim(1), c);
    if (c.mid_block_add_attention) y = place_attention(b, y, c);
    return resnet(b, 1, y, x.dim(1), c);
  });
}

Tensor encode_image(Builder& b, Tensor image, const AutoencoderConfig& c) {
  return b.call("encoder", "Encoder", {image}, [&] {
    const auto n = c.block_out_channels.size();
    auto x = latent_conv(b, "conv_in", image, c.block_out_channels[0]);
    for (std::size_t i = 0; i < n; ++i)
      x = b.call("down_blocks." + std::to_string(i), "DownEncoderBlock2D", {x}, [&] {
        auto y = x;
        for (std::uint64_t j = 0; j < c.layers_per_block; ++j)
          y = resnet(b, j, y, c.block_out_channels[i], c);
        return i + 1 < n ? halved(b, y) : y;
      });
    return latent_end(b, middle(b, x, c), 2 * c.latent_channels, c.norm_num_groups);
  });
}

Tensor decode_latents(Builder& b, Tensor latents, const AutoencoderConfig& c) {
  return b.call("decoder", "Decoder", {latents}, [&] {
    const auto n = c.block_out_channels.size();
    auto x = middle(b, latent_conv(b, "conv_in", latents, c.block_out_channels.back()), c);
    for (std::size_t i = 0; i < n; ++i)
      x = b.call("up_blocks." + std::to_string(i), "UpDecoderBlock2D", {x}, [&] {
        auto y = x;
        for (std::uint64_t j = 0; j <= c.layers_per_block; ++j)
          y = resnet(b, j, y, c.block_out_channels[n - 1 - i], c);
        return i + 1 < n ? doubled(b, y, 2 * y.dim(2), 2 * y.dim(3)) : y;
      });
    return latent_end(b, x, c.out_channels, c.norm_num_groups);
  });
}

Tensors forward(Builder& b, const AutoencoderConfig& c) {
  b.graph().modules[0].type = "AutoencoderKL";
  const auto image = b.input({b.options().batch, c.in_channels, c.sample_size, c.sample_size});
  auto x = encode_image(b, image, c);
  if (c.use_quant_conv) x = latent_conv(b, "quant_conv", x, 2 * c.latent_channels, 1);
  x = b.slice(x, 1, 0, c.latent_channels);  // the mean; the other half is the logarithm of variance
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  if (c.use_post_quant_conv) x = latent_conv(b, "post_quant_conv", x, c.latent_channels, 1);
  return {decode_latents(b, x, c)};
}

}  // namespace

Architecture autoencoder_architecture() {
  using C = AutoencoderConfig;
  auto a = architecture<C, validate, forward>(
      "autoencoder_kl", "Autoencoder between images and latents: diffusers' AutoencoderKL.");
  std::vector<Field> own = {
      field<&C::sample_size>("sample_size", "Side of the image.").between(1, kMaxSide),
      field<&C::in_channels>("in_channels", "Channels of the image.").between(1, kMaxWidth),
      field<&C::out_channels>("out_channels", "Channels of the result.").between(1, kMaxWidth),
      field<&C::latent_channels>("latent_channels", "Channels of the latents.")
          .between(1, kMaxWidth),
      field<&C::block_out_channels>("block_out_channels", "Channels of each block.")
          .between(1, kMaxWidth),
      field<&C::layers_per_block>("layers_per_block",
                                  "Residual blocks of a block; the decoder's have one more.")
          .between(1, kMaxDepth),
      field<&C::norm_num_groups>("norm_num_groups", "Groups of the norms.").between(1, kMaxWidth),
      field<&C::mid_block_add_attention>("mid_block_add_attention", "Attention in the middle."),
      field<&C::use_quant_conv>("use_quant_conv", "A 1x1 convolution behind the encoder."),
      field<&C::use_post_quant_conv>("use_post_quant_conv",
                                     "A 1x1 convolution before the decoder."),
  };
  a.fields = std::move(own);
  return a;
}

}  // namespace vitals
