#include "models/vision/cait.h"

#include "models/vision/class_attention.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"

#include <cmath>

namespace vitals {
namespace {

ImagePatches image_of(const CaitConfig& c) {
  return {c.img_size, c.patch_size, c.in_chans, false, std::nullopt};
}

void validate(const CaitConfig& c) {
  check_patches(image_of(c), false);
  check_heads(c.embed_dim, c.num_heads);
  (void)hidden_features(c.embed_dim, c.mlp_ratio);
  (void)hidden_features(c.embed_dim, c.mlp_ratio_token_only);
}

// A linear layer over the heads: [B, heads, N, N] -> the same (talking heads, arXiv:2003.02436).
Tensor over_heads(Builder& b, std::string_view name, Tensor x, std::uint64_t heads) {
  const auto y = linear(b, name, b.permute(x, {0, 2, 3, 1}), heads, Role::other);
  return b.permute(y, {0, 3, 1, 2});
}

Tensor talking_heads(Builder& b, Tensor x, const CaitConfig& c) {
  return b.call("attn", attention_type("TalkingHeadAttn", c.num_heads, c.num_heads), {x}, [&] {
    const auto width = x.dim(-1);
    const auto qkv = linear(b, "qkv", x, 3 * width, Role::qkv, c.qkv_bias);
    const auto [q, k, v] = split_heads(b, qkv, c.num_heads);
    const auto scaled = q * (1.0 / std::sqrt(static_cast<double>(width / c.num_heads)));
    auto scores = over_heads(b, "proj_l", b.matmul(scaled, b.transpose(k, -2, -1)), c.num_heads);
    scores = over_heads(b, "proj_w", b.softmax(scores), c.num_heads);
    const auto y = merge_heads(b, b.matmul(dropout(b, "attn_drop", scores, c.attn_drop_rate), v));
    return dropout(b, "proj_drop", linear(b, "proj", y, width, Role::attention_output),
                   c.proj_drop_rate);
  });
}

MlpOptions mlp_of(const CaitConfig& c, double ratio, double drop) {
  return {.hidden = hidden_features(c.embed_dim, ratio), .drop = drop};
}

Tensor block(Builder& b, Tensor x, const CaitConfig& c) {
  const LayerSpec layer{"LayerNorm", 1e-6, {}, {}, {}};
  auto y = scaled_by(b, "gamma_1", talking_heads(b, norm(b, "norm1", x, layer), c));
  x = x + drop_path(b, "drop_path", y, c.drop_path_rate);
  y = mlp(b, "mlp", norm(b, "norm2", x, layer), mlp_of(c, c.mlp_ratio, c.proj_drop_rate));
  return x + drop_path(b, "drop_path", scaled_by(b, "gamma_2", y), c.drop_path_rate);
}

// The class token looks at itself and the patches, which stay as they are.
Tensor token_block(Builder& b, Tensor token, Tensor x, const CaitConfig& c) {
  const LayerSpec layer{"LayerNorm", 1e-6, {}, {}, {}};
  const auto all = norm(b, "norm1", b.concat({token, x}, 1), layer);
  token = token + scaled_by(b, "gamma_1",
                            class_attention(b, "attn", all, c.num_heads, c.qkv_bias, 0.0, 0.0));
  const auto y =
      mlp(b, "mlp", norm(b, "norm2", token, layer), mlp_of(c, c.mlp_ratio_token_only, 0.0));
  return token + scaled_by(b, "gamma_2", y);
}

Tensors forward(Builder& b, const CaitConfig& c) {
  b.graph().modules[0].type = "Cait";
  auto x = patch_embed(b, image_input(b, image_of(c)),
                       {.patch = c.patch_size, .embed_dim = c.embed_dim});
  auto token = prefix_token(b, "cls_token", 1, c.embed_dim);
  x = dropout(b, "pos_drop", add_pos_embed(b, x, image_of(c).count()), c.pos_drop_rate);
  b.graph().num_tokens = x.dim(1);
  x = b.call("blocks", kSequential, {x}, [&] {
    auto y = x;
    for (std::uint64_t i = 0; i < c.depth; ++i)
      y = b.layer(i, "LayerScaleBlock", {y}, [&] { return block(b, y, c); });
    return y;
  });
  token = b.within("blocks_token_only", kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.depth_token_only; ++i)
      token = b.layer(i, "LayerScaleBlockClassAttn", {x, token},
                      [&] { return token_block(b, token, x, c); });
    return token;
  });
  x = norm(b, "norm", b.concat({token, x}, 1), LayerSpec{"LayerNorm", 1e-6, {}, {}, {}});
  x = dropout(b, "head_drop", pool_tokens(b, x, c.global_pool, 1), c.drop_rate);
  return {classifier(b, "head", x, c.num_classes)};
}

std::vector<Field> cait_fields() {
  using C = CaitConfig;
  return {
      field<&C::qkv_bias>("qkv_bias", "Bias of the query, key and value projection."),
      field<&C::init_values>("init_values", "First value of LayerScale (no effect on counts)."),
      field<&C::depth_token_only>("depth_token_only",
                                  "Layers in which the class token alone attends.")
          .at_most(kMaxDepth),
      field<&C::mlp_ratio_token_only>("mlp_ratio_token_only",
                                      "Hidden features of the MLP of these layers over embed_dim.")
          .above(0)
          .at_most(1e4),
  };
}

}  // namespace

Architecture cait_architecture() {
  using C = CaitConfig;
  auto a =
      architecture<C, validate, forward>("cait", "CaiT: timm's cait module (arXiv:2103.17239).");
  a.fused_attention = false;  // talking heads have no fused kernel
  a.fields = all_fields(image_fields<C>(), global_pool_fields<C>({"token", "avg"}),
                        stack_fields<C>(), cait_fields(), drop_fields<C>());
  return a;
}

}  // namespace vitals
