#include "models/vision/beit.h"

#include "models/layers/relative_position.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"

#include <cmath>

namespace vitals {
namespace {

ImagePatches image_of(const BeitConfig& c) {
  return {c.img_size, c.patch_size, c.in_chans, false, std::nullopt};
}

void validate(const BeitConfig& c) {
  check_patches(image_of(c), false);
  check_heads(c.embed_dim, c.num_heads);
  (void)hidden_features(c.embed_dim, c.mlp_ratio);
}

// A scale of zero means none, as in timm.
bool scales(const BeitConfig& c) { return c.init_values.value_or(0.0) != 0.0; }

Tensor attention(Builder& b, Tensor x, const BeitConfig& c, std::optional<Tensor> shared) {
  return b.call("attn", attention_type("Attention", c.num_heads, c.num_heads), {x}, [&] {
    const auto qkv = qkv_without_k_bias(b, x, c.embed_dim, c.qkv_bias);
    const auto [q, k, v] = split_heads(b, qkv, c.num_heads);
    AttentionCore core{.scale = 1.0 / std::sqrt(static_cast<double>(q.dim(-1))),
                       .scale_query = true,
                       .attn_drop = c.attn_drop_rate};
    core.bias = shared;
    if (c.use_rel_pos_bias) {
      const auto own = relative_bias_table(b, image_of(c).grid(), c.num_heads, true);
      core.bias = shared ? own + *shared : own;
    }
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    return dropout(b, "proj_drop", linear(b, "proj", y, c.embed_dim, Role::attention_output),
                   c.proj_drop_rate);
  });
}

MlpOptions mlp_of(const BeitConfig& c, const LayerSpec& norm) {
  MlpOptions o;
  if (c.swiglu_mlp) {
    o.kind.kind = "SwiGLU";
    o.act = op::ActivationKind::silu;
  }
  o.hidden = hidden_features(c.embed_dim, c.mlp_ratio);
  if (c.scale_mlp) o.norm = norm;
  o.drop = c.proj_drop_rate;
  return o;
}

Tensor block(Builder& b, Tensor x, const BeitConfig& c, std::uint64_t index,
             std::optional<Tensor> shared) {
  const auto layer = norm_or_default(c.norm_layer);
  const auto drop = drop_path_rate_at(c.drop_path_rate, index, c.depth);
  auto scaled = [&](std::string_view name, Tensor y) {
    return scales(c) ? scaled_by(b, name, y) : y;
  };
  auto y = attention(b, norm(b, "norm1", x, layer), c, shared);
  x = x + drop_path(b, "drop_path1", scaled("gamma_1", y), drop);
  y = mlp(b, "mlp", norm(b, "norm2", x, layer), mlp_of(c, layer));
  return x + drop_path(b, "drop_path2", scaled("gamma_2", y), drop);
}

Tensors forward(Builder& b, const BeitConfig& c) {
  b.graph().modules[0].type = "Beit";
  const auto image = image_of(c);
  const auto layer = norm_or_default(c.norm_layer);
  auto x = patch_embed(b, image_input(b, image), {.patch = c.patch_size, .embed_dim = c.embed_dim});
  if (c.mask_token) (void)b.param("mask_token", {1, 1, c.embed_dim}, Role::token);
  x = b.concat({prefix_token(b, "cls_token", 1, c.embed_dim), x}, 1);
  if (c.use_abs_pos_emb) x = add_pos_embed(b, x, x.dim(1));
  x = dropout(b, "pos_drop", x, c.pos_drop_rate);
  b.graph().num_tokens = x.dim(1);
  if (!c.swiglu_mlp) note_plain_stack(b, c.depth, c.embed_dim, c.num_heads, c.mlp_ratio);

  std::optional<Tensor> shared;
  if (c.use_shared_rel_pos_bias)
    shared = b.call("rel_pos_bias", "RelativePositionBias", {},
                    [&] { return relative_bias_table(b, image.grid(), c.num_heads, true); });
  x = b.within("blocks", kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.depth; ++i)
      x = b.layer(i, "Block", {x}, [&] { return block(b, x, c, i, shared); });
    return x;
  });

  if (c.masked_modeling) {
    x = norm(b, "norm", b.slice(x, 1, 1, x.dim(1) - 1), layer);
    return {classifier(b, "head", x, c.num_classes)};
  }
  const bool fc_norm = c.global_pool == "avg";
  if (!fc_norm) x = norm(b, "norm", x, layer);
  x = pool_tokens(b, x, c.global_pool, 1);
  if (fc_norm) x = norm(b, "fc_norm", x, layer);
  return {classifier(b, "head", dropout(b, "head_drop", x, c.drop_rate), c.num_classes)};
}

std::vector<Field> beit_own_fields() {
  using C = BeitConfig;
  return {
      field<&C::qkv_bias>("qkv_bias", "Bias of the query and value projection."),
      field<&C::swiglu_mlp>("swiglu_mlp", "SwiGLU instead of an MLP."),
      field<&C::scale_mlp>("scale_mlp", "A norm before the MLP's last layer."),
      field<&C::norm_layer>("norm_layer", "Norm of the blocks.")
          .one_of({"LayerNorm", "RmsNorm"})
          .takes("eps"),
      field<&C::init_values>("init_values", "Initial scale of the branches; null or 0: no scale.")
          .at_least(-1e6),
      field<&C::use_abs_pos_emb>("use_abs_pos_emb", "A learned position embedding."),
      field<&C::use_rel_pos_bias>("use_rel_pos_bias",
                                  "A learned bias by relative position in every block."),
      field<&C::use_shared_rel_pos_bias>("use_shared_rel_pos_bias",
                                         "One bias by relative position for all blocks."),
      field<&C::mask_token>("mask_token", "A learned token in the place of masked patches."),
      field<&C::masked_modeling>("masked_modeling",
                                 "The head scores every patch: pretraining by masked images."),
      field<&C::head_init_scale>("head_init_scale",
                                 "Scale of the head's first weights (no effect on counts).")
          .at_least(-1e6),
  };
}

}  // namespace

Architecture beit_architecture() {
  using C = BeitConfig;
  auto a = architecture<C, validate, forward>(
      "beit", "BEiT and BEiT v2: timm's beit module (arXiv:2106.08254).");
  a.fields =
      all_fields(image_fields<C>(), global_pool_fields<C>({"avg", "avgmax", "max", "token", ""}),
                 stack_fields<C>(), beit_own_fields(), drop_fields<C>());
  return a;
}

}  // namespace vitals
