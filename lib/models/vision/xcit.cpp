#include "models/vision/xcit.h"

#include "models/vision/class_attention.h"
#include "models/vision/conv_parts.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"

namespace vitals {
namespace {

constexpr std::uint64_t kFourierFeatures = 32;  // of each axis' half of the position encoding

ImagePatches image_of(const XcitConfig& c) {
  return {c.img_size, c.patch_size, c.in_chans, false, std::nullopt};
}

LayerSpec layer_norm() { return {"LayerNorm", 1e-6, {}, {}, {}}; }

void validate(const XcitConfig& c) {
  if (!(c.patch_size == Size2{16, 16}) && !(c.patch_size == Size2{8, 8}))
    fail("/patch_size: the stem of convolutions is known for 8 and 16 alone");
  if (c.embed_dim % 8 != 0) fail("/embed_dim: {} is not divisible by 8", c.embed_dim);
  check_patches(image_of(c), false);
  check_heads(c.embed_dim, c.num_heads);
  (void)hidden_features(c.embed_dim, c.mlp_ratio);
}

// Convolutions of stride 2, each twice as wide as the one before: [B, C, H, W].
Tensor conv_stem(Builder& b, Tensor image, const XcitConfig& c) {
  return b.call("patch_embed", "ConvPatchEmbed", {image}, [&] {
    return b.call("proj", kSequential, {image}, [&] {
      auto x = image;
      const std::uint64_t steps = c.patch_size.height == 16 ? 4 : 3;
      for (std::uint64_t i = 0; i < steps; ++i) {
        const auto width = c.embed_dim >> (steps - 1 - i);
        x = b.call(std::to_string(2 * i), kSequential, {x}, [&] {
          return batch_norm(b, "1", square_conv(b, "0", x, width, {.kernel = 3, .stride = 2}));
        });
        if (i + 1 < steps)
          x = activation(b, std::to_string(2 * i + 1), x, op::ActivationKind::gelu);
      }
      return x;
    });
  });
}

// [B, C, H, W] -> [B, N, C]
Tensor as_tokens(Builder& b, Tensor x) {
  return b.transpose(b.reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}), 1, 2);
}

// Sines and cosines of the place, projected to the width.
Tensor with_positions(Builder& b, Tensor x, const Size2& grid, const XcitConfig& c) {
  return x + b.call("pos_embed", "PositionalEncodingFourier", {}, [&] {
    const auto waves = b.constant({1, 2 * kFourierFeatures, grid.height, grid.width});
    return as_tokens(b, square_conv(b, "token_projection", waves, c.embed_dim, {.bias = true}));
  });
}

// Channels attend to channels: [B, heads, d, N] x [B, heads, N, d].
Tensor cross_covariance(Builder& b, Tensor x, const XcitConfig& c) {
  return b.call("attn", attention_type("XCA", c.num_heads, c.num_heads), {x}, [&] {
    const auto width = x.dim(-1);
    const auto qkv = linear(b, "qkv", x, 3 * width, Role::qkv, c.qkv_bias);
    auto heads = b.reshape(qkv, {x.dim(0), x.dim(1), 3, c.num_heads, width / c.num_heads});
    heads = b.permute(heads, {2, 0, 3, 4, 1});
    const auto parts = b.unbind(heads, 0);
    const auto q = unit_length(b, parts[0]);
    const auto k = unit_length(b, parts[1]);
    auto scores = b.matmul(q, b.transpose(k, -2, -1));
    scores = scores * b.parameter("temperature", {c.num_heads, 1, 1}, Role::scale);
    scores = dropout(b, "attn_drop", b.softmax(scores), c.attn_drop_rate);
    const auto y =
        b.reshape(b.permute(b.matmul(scores, parts[2]), {0, 3, 1, 2}), {x.dim(0), x.dim(1), width});
    return dropout(b, "proj_drop", linear(b, "proj", y, width, Role::attention_output),
                   c.proj_drop_rate);
  });
}

// Depthwise convolutions over the grid (local patch interaction).
Tensor local_patches(Builder& b, Tensor x, const Size2& grid) {
  return b.call("local_mp", "LPI", {x}, [&] {
    const auto width = x.dim(2);
    const SquareConv depthwise{.kernel = 3, .groups = width, .bias = true};
    auto y = b.reshape(b.transpose(x, 1, 2), {x.dim(0), width, grid.height, grid.width});
    y = activation(b, "act", square_conv(b, "conv1", y, width, depthwise),
                   op::ActivationKind::gelu);
    return as_tokens(b, square_conv(b, "conv2", batch_norm(b, "bn", y), width, depthwise));
  });
}

MlpOptions mlp_of(const XcitConfig& c) {
  return {.hidden = hidden_features(c.embed_dim, c.mlp_ratio), .drop = c.proj_drop_rate};
}

Tensor block(Builder& b, Tensor x, const Size2& grid, const XcitConfig& c) {
  auto added = [&](std::string_view path, std::string_view gamma, Tensor y) {
    return x + drop_path(b, path, scaled_by(b, gamma, y), c.drop_path_rate);
  };
  x = added("drop_path1", "gamma1", cross_covariance(b, norm(b, "norm1", x, layer_norm()), c));
  x = added("drop_path3", "gamma3", local_patches(b, norm(b, "norm3", x, layer_norm()), grid));
  return added("drop_path2", "gamma2", mlp(b, "mlp", norm(b, "norm2", x, layer_norm()), mlp_of(c)));
}

Tensor without_token(Builder& b, Tensor x) { return b.slice(x, 1, 1, x.dim(1) - 1); }

// The class token attends; patches pass through the norms and the factors.
Tensor class_block(Builder& b, Tensor x, const XcitConfig& c) {
  const auto normed = norm(b, "norm1", x, layer_norm());
  const auto seen = class_attention(b, "attn", normed, c.num_heads, c.qkv_bias, c.proj_drop_rate,
                                    c.attn_drop_rate);
  auto y = scaled_by(b, "gamma1", b.concat({seen, without_token(b, normed)}, 1));
  x = x + drop_path(b, "drop_path1", y, c.drop_path_rate);
  x = c.tokens_norm
          ? norm(b, "norm2", x, layer_norm())
          : b.concat({norm(b, "norm2", b.slice(x, 1, 0, 1), layer_norm()), without_token(b, x)}, 1);
  const auto token = scaled_by(b, "gamma2", mlp(b, "mlp", b.slice(x, 1, 0, 1), mlp_of(c)));
  y = b.concat({token, without_token(b, x)}, 1);
  return x + drop_path(b, "drop_path2", y, c.drop_path_rate);
}

Tensors forward(Builder& b, const XcitConfig& c) {
  b.graph().modules[0].type = "Xcit";
  const auto patches = conv_stem(b, image_input(b, image_of(c)), c);
  const Size2 grid{patches.dim(2), patches.dim(3)};
  auto x = as_tokens(b, patches);
  const auto token = prefix_token(b, "cls_token", 1, c.embed_dim);
  if (c.use_pos_embed) x = with_positions(b, x, grid, c);
  x = dropout(b, "pos_drop", x, c.pos_drop_rate);
  b.graph().num_tokens = x.dim(1);
  x = b.within("blocks", kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.depth; ++i)
      x = b.layer(i, "XCABlock", {x}, [&] { return block(b, x, grid, c); });
    return x;
  });
  x = b.concat({token, x}, 1);
  x = b.within("cls_attn_blocks", kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.cls_attn_layers; ++i)
      x = b.layer(i, "ClassAttentionBlock", {x}, [&] { return class_block(b, x, c); });
    return x;
  });
  x = pool_tokens(b, norm(b, "norm", x, layer_norm()), c.global_pool, 1);
  return {classifier(b, "head", dropout(b, "head_drop", x, c.drop_rate), c.num_classes)};
}

std::vector<Field> xcit_fields() {
  using C = XcitConfig;
  return {
      field<&C::qkv_bias>("qkv_bias", "Bias of the query, key and value projection."),
      field<&C::cls_attn_layers>("cls_attn_layers",
                                 "Layers in which the class token alone attends.")
          .at_most(kMaxDepth),
      field<&C::use_pos_embed>("use_pos_embed", "Sines of the place, projected, are added."),
      field<&C::eta>("eta", "First value of the blocks' factors (no effect on counts)."),
      field<&C::tokens_norm>("tokens_norm",
                             "The class layers normalise all tokens, not the class token alone."),
  };
}

}  // namespace

Architecture xcit_architecture() {
  using C = XcitConfig;
  auto a =
      architecture<C, validate, forward>("xcit", "XCiT: timm's xcit module (arXiv:2106.09681).");
  a.fused_attention = false;  // timm: use_fused_attn(experimental=True)
  a.fields = all_fields(image_fields<C>(), global_pool_fields<C>({"token", "avg"}),
                        stack_fields<C>(), xcit_fields(), drop_fields<C>());
  return a;
}

}  // namespace vitals
