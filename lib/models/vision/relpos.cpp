#include "models/vision/relpos.h"

#include "models/layers/activation_names.h"
#include "models/layers/relative_position.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"

#include <cmath>

namespace vitals {
namespace {

ImagePatches image_of(const RelPosConfig& c) {
  return {c.img_size, c.patch_size, c.in_chans, false, std::nullopt};
}

void validate(const RelPosConfig& c) {
  check_patches(image_of(c), false);
  check_heads(c.embed_dim, c.num_heads);
  if (!c.class_token && c.global_pool == "token")
    fail(
        "/class_token: global_pool 'token' needs a class token; set class_token to true, or "
        "global_pool to 'avg'");
  (void)hidden_features(c.embed_dim, c.mlp_ratio);
}

bool post_norm(const RelPosConfig& c) { return c.block_fn == "ResPostRelPosBlock"; }

Tensor relative_bias(Builder& b, const RelPosConfig& c) {
  const auto grid = image_of(c).grid();
  if (c.rel_pos_type == "bias") return relative_bias_table(b, grid, c.num_heads, c.class_token);
  RelPosMlp options{.swin = c.rel_pos_type == "mlp-swin"};
  if (c.rel_pos_dim.value_or(0) > 0) options.hidden = *c.rel_pos_dim;
  return relative_bias_mlp(b, grid, c.num_heads, c.class_token ? 1 : 0, options);
}

std::string_view bias_type(const RelPosConfig& c) {
  return c.rel_pos_type == "bias" ? "RelPosBias" : "RelPosMlp";
}

Tensor attention(Builder& b, Tensor x, const RelPosConfig& c, std::optional<Tensor> shared) {
  const auto layer = norm_or_default(c.norm_layer);
  return b.call("attn", attention_type("RelPosAttention", c.num_heads, c.num_heads), {x}, [&] {
    auto [q, k, v] =
        split_heads(b, linear(b, "qkv", x, 3 * c.embed_dim, Role::qkv, c.qkv_bias), c.num_heads);
    if (c.qk_norm) {
      q = norm(b, "q_norm", q, layer);
      k = norm(b, "k_norm", k, layer);
    }
    AttentionCore core{.scale = 1.0 / std::sqrt(static_cast<double>(q.dim(-1))),
                       .scale_query = true,
                       .bias = shared,
                       .attn_drop = c.attn_drop_rate};
    if (!shared)
      core.bias = b.call("rel_pos", bias_type(c), {}, [&] { return relative_bias(b, c); });
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    return dropout(b, "proj_drop", linear(b, "proj", y, c.embed_dim, Role::attention_output),
                   c.proj_drop_rate);
  });
}

Tensor block(Builder& b, Tensor x, const RelPosConfig& c, std::uint64_t index,
             std::optional<Tensor> shared) {
  const auto layer = norm_or_default(c.norm_layer);
  const auto drop = drop_path_rate_at(c.drop_path_rate, index, c.depth);
  const MlpOptions mlp_options{
      .hidden = hidden_features(c.embed_dim, c.mlp_ratio),
      .act = c.act_layer.empty() ? op::ActivationKind::gelu : activation_kind(c.act_layer),
      .drop = c.proj_drop_rate};
  if (post_norm(c)) {
    x = x + drop_path(b, "drop_path1", norm(b, "norm1", attention(b, x, c, shared), layer), drop);
    return x +
           drop_path(b, "drop_path2", norm(b, "norm2", mlp(b, "mlp", x, mlp_options), layer), drop);
  }
  auto scaled = [&](std::string_view name, Tensor y) {
    return c.init_values ? layer_scale(b, name, y) : y;
  };
  auto y = attention(b, norm(b, "norm1", x, layer), c, shared);
  x = x + drop_path(b, "drop_path1", scaled("ls1", y), drop);
  y = mlp(b, "mlp", norm(b, "norm2", x, layer), mlp_options);
  return x + drop_path(b, "drop_path2", scaled("ls2", y), drop);
}

Tensors forward(Builder& b, const RelPosConfig& c) {
  b.graph().modules[0].type = "VisionTransformerRelPos";
  const auto layer = norm_or_default(c.norm_layer);
  auto x = patch_embed(b, image_input(b, image_of(c)),
                       {.patch = c.patch_size, .embed_dim = c.embed_dim});
  if (c.class_token) x = b.concat({prefix_token(b, "cls_token", 1, c.embed_dim), x}, 1);
  b.graph().num_tokens = x.dim(1);
  note_plain_stack(b, c.depth, c.embed_dim, c.num_heads, c.mlp_ratio);

  std::optional<Tensor> shared;
  if (c.shared_rel_pos)
    shared = b.call("shared_rel_pos", bias_type(c), {}, [&] { return relative_bias(b, c); });
  x = b.within("blocks", kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.depth; ++i)
      x = b.layer(i, c.block_fn, {x}, [&] { return block(b, x, c, i, shared); });
    return x;
  });

  if (!c.fc_norm) x = norm(b, "norm", x, layer);
  x = pool_tokens(b, x, c.global_pool, c.class_token ? 1 : 0);
  if (c.fc_norm) x = norm(b, "fc_norm", x, layer);
  return {classifier(b, "head", dropout(b, "head_drop", x, c.drop_rate), c.num_classes)};
}

std::vector<Field> relpos_own_fields() {
  using C = RelPosConfig;
  return {
      field<&C::qkv_bias>("qkv_bias", "Bias of the query, key and value projection."),
      field<&C::qk_norm>("qk_norm", "Normalise queries and keys per head."),
      field<&C::init_values>("init_values", "Initial LayerScale; null: no LayerScale.")
          .at_least(-1e6),
      field<&C::class_token>("class_token", "A learned class token."),
      field<&C::fc_norm>("fc_norm", "The final norm after pooling instead of before."),
      field<&C::rel_pos_type>("rel_pos_type",
                              "Relative position bias: a small MLP over log-spaced offsets (mlp), "
                              "that of Swin V2 (mlp-swin), or a table (bias).")
          .one_of({"mlp", "mlp-swin", "bias"}),
      field<&C::rel_pos_dim>("rel_pos_dim", "Hidden features of that MLP; null: 128.")
          .at_most(kMaxWidth),
      field<&C::shared_rel_pos>("shared_rel_pos", "One bias for all blocks."),
  };
}

std::vector<Field> relpos_layer_fields() {
  using C = RelPosConfig;
  return {
      field<&C::embed_layer>("embed_layer", "Layer that embeds the patches.")
          .one_of({"PatchEmbed"}),
      field<&C::norm_layer>("norm_layer", "Norm of the blocks; null: LayerNorm with eps 1e-6.")
          .one_of({"LayerNorm", "RmsNorm"})
          .takes("eps"),
      field<&C::act_layer>("act_layer", "Activation of the MLP; null: gelu.")
          .one_of(activation_names())
          .or_null(),
      field<&C::block_fn>("block_fn", "Kind of block.")
          .one_of({"RelPosBlock", "ResPostRelPosBlock"}),
  };
}

}  // namespace

Architecture relpos_architecture() {
  using C = RelPosConfig;
  auto a = architecture<C, validate, forward>(
      "vision_transformer_relpos",
      "ViT with relative position bias: timm's vision_transformer_relpos module.");
  a.aliases = {"relpos"};
  a.fields =
      all_fields(image_fields<C>(), global_pool_fields<C>({"avg", "token", ""}), stack_fields<C>(),
                 relpos_own_fields(), drop_fields<C>(), relpos_layer_fields());
  return a;
}

}  // namespace vitals
