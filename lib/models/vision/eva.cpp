#include "models/vision/eva.h"

#include "core/divisors.h"
#include "models/layers/tables.h"
#include "models/vision/eva_block.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"

namespace vitals {
namespace {

ImagePatches image_of(const EvaConfig& c) {
  return {c.img_size, c.patch_size, c.in_chans, c.dynamic_img_size, c.dynamic_img_pad};
}

std::uint64_t prefix_tokens(const EvaConfig& c) {
  return (c.class_token ? 1 : 0) + c.num_reg_tokens;
}

bool has_fc_norm(const EvaConfig& c) { return c.use_fc_norm.value_or(c.global_pool == "avg"); }

std::uint64_t pool_heads(const EvaConfig& c) {
  const auto stated = c.attn_pool_num_heads.value_or(0);
  return stated > 0 ? stated : c.num_heads;
}

double pool_mlp_ratio(const EvaConfig& c) {
  const auto stated = c.attn_pool_mlp_ratio.value_or(0.0);
  return stated > 0 ? stated : c.mlp_ratio;
}

bool rotates(const EvaConfig& c) { return c.use_rot_pos_emb && c.rope_type != "none"; }

void validate(const EvaConfig& c) {
  check_patches(image_of(c), true);
  check_heads(c.embed_dim, c.num_heads);
  if (c.global_pool == "token" && !c.class_token)
    fail(
        "/class_token: global_pool 'token' needs a class token; set class_token to true, or "
        "global_pool to 'avg' or 'map'");
  if (c.global_pool == "map" && c.embed_dim % pool_heads(c) != 0)
    fail("/attn_pool_num_heads: embed_dim {} is not divisible by {}; {} heads divide it",
         c.embed_dim, pool_heads(c), nearest_divisors(c.embed_dim, pool_heads(c)));
  if (rotates(c) && c.embed_dim / c.num_heads % 4 != 0)
    fail(
        "/num_heads: rotary position embedding of an image needs a head dimension divisible by 4, "
        "and {} / {} is {}",
        c.embed_dim, c.num_heads, c.embed_dim / c.num_heads);
  (void)hidden_features(c.embed_dim, c.mlp_ratio);
}

// With a norm inside or an aligned width timm keeps gate and value apart, else in one matrix.
MlpOptions mlp_of(const EvaConfig& c, const LayerSpec& norm) {
  MlpOptions o;
  o.hidden = hidden_features(c.embed_dim, c.mlp_ratio);
  o.drop = c.proj_drop_rate;
  if (c.scale_mlp) o.norm = norm;
  if (!c.swiglu_mlp) return o;
  o.act = op::ActivationKind::silu;
  if (c.scale_mlp || c.swiglu_align_to > 0) {
    o.kind.kind = "SwiGLU";
    if (c.swiglu_align_to > 0)
      o.hidden = (o.hidden + c.swiglu_align_to - 1) / c.swiglu_align_to * c.swiglu_align_to;
    return o;
  }
  o.kind.kind = "SwiGLUPacked";
  o.hidden *= 2;
  return o;
}

EvaBlock block_of(const EvaConfig& c, std::uint64_t index) {
  EvaBlock o;
  o.num_heads = c.num_heads;
  o.qkv_bias = c.qkv_bias;
  o.qkv_fused = c.qkv_fused;
  o.k_bias = c.attn_type == "rope";
  o.rotate_half = c.rope_rotate_half;
  o.scale_attn_inner = c.scale_attn_inner;
  o.layer_scale = c.init_values.has_value();
  o.post_norm = c.use_post_norm;
  o.prefix_tokens = prefix_tokens(c);
  o.norm = norm_or_default(c.norm_layer);
  o.mlp = mlp_of(c, o.norm);
  o.proj_drop = c.proj_drop_rate;
  o.attn_drop = c.attn_drop_rate;
  o.drop_path = drop_path_rate_at(c.drop_path_rate, index, c.depth);
  return o;
}

Tensor with_tokens_and_positions(Builder& b, Tensor x, const EvaConfig& c) {
  const auto prefix = prefix_tokens(c);
  const auto positions = image_of(c).count() + (c.no_embed_class ? 0 : prefix);
  auto add_positions = [&](Tensor t) {
    return c.use_abs_pos_emb ? add_pos_embed(b, t, positions) : t;
  };
  if (c.no_embed_class) x = add_positions(x);
  Tensors tokens;
  if (c.class_token) tokens.push_back(prefix_token(b, "cls_token", 1, c.embed_dim));
  if (c.num_reg_tokens > 0)
    tokens.push_back(prefix_token(b, "reg_token", c.num_reg_tokens, c.embed_dim));
  tokens.push_back(x);
  if (tokens.size() > 1) x = b.concat(tokens, 1);
  return c.no_embed_class ? x : add_positions(x);
}

// Each block and head learns its own frequencies over both axes of the grid (Heo et al. 2024,
// arXiv:2403.13298): sines and cosines [depth, heads, patches, 2 * head_dim].
Tensor mixed_rope(Builder& b, const Size2& grid, const EvaConfig& c) {
  const auto patches = grid.height * grid.width;
  const auto half = c.embed_dim / c.num_heads / 2;
  const auto freqs = b.within("rope", {"RotaryEmbeddingMixed", Role::position_embedding}, [&] {
    return b.parameter("freqs", {2, c.depth, c.num_heads, half});
  });
  auto along = [&](std::uint64_t axis) {
    const auto own = b.reshape(b.select(freqs, 0, axis), {c.depth, c.num_heads, 1, half});
    const bool along_columns = (axis == 1) == (c.rope_grid_indexing == "ij");
    const auto positions = b.constant({patches, 1}, [grid, along_columns](std::span<float> values) {
      grid_positions(grid, along_columns, values);
    });
    return b.matmul(positions, own);
  };
  const auto along_x = along(0);
  const auto angles = along_x + along(1);
  auto twice = [&](op::ActivationKind kind) {
    const auto y = b.reshape(b.activation(angles, kind), {c.depth, c.num_heads, patches, half, 1});
    return b.reshape(b.expand(y, {c.depth, c.num_heads, patches, half, 2}),
                     {c.depth, c.num_heads, patches, 2 * half});
  };
  const auto sines = twice(op::ActivationKind::sin);
  return b.concat({sines, twice(op::ActivationKind::cos)}, -1);
}

Tensor rope_tables(Builder& b, const Size2& grid, const EvaConfig& c) {
  if (c.rope_type == "mixed") return mixed_rope(b, grid, c);
  const RopeTable table{.grid = grid,
                        .dim = c.embed_dim / c.num_heads,
                        .temperature = c.rope_temperature,
                        .grid_offset = c.rope_grid_offset,
                        .columns_first = c.rope_grid_indexing == "xy",
                        .reference = c.ref_feat_shape};
  const bool dinov3 = c.rope_type == "dinov3";
  return b.constant({grid.height * grid.width, 2 * table.dim},
                    [table, dinov3, half = c.rope_rotate_half](std::span<float> values) {
                      dinov3 ? rope_dinov3(table, half, values) : rope_cat(table, values);
                    });
}

// The rows of the patches that patch dropout kept, different ones for every sample:
// [N, d] -> [B, 1, kept, d], [depth, heads, N, d] -> [depth, B, heads, kept, d].
Tensor kept_rows(Builder& b, Tensor rope, std::uint64_t kept) {
  const auto batch = b.options().batch;
  const auto rows = b.slice(rope, -2, 0, kept);
  const auto s = rows.shape();
  if (s.rank() == 2) return b.contiguous(b.expand(rows, {batch, 1, s[0], s[1]}));
  const auto each = b.expand(rows, {batch, s[0], s[1], s[2], s[3]});
  return b.transpose(b.contiguous(each), 0, 1);
}

// The patches that there are, those of a padded border included.
Size2 rope_grid(Tensor image, const EvaConfig& c) {
  return {image.dim(2) / c.patch_size.height, image.dim(3) / c.patch_size.width};
}

Tensor blocks(Builder& b, Tensor x, std::optional<Tensor> rope, const EvaConfig& c) {
  return b.within("blocks", kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.depth; ++i) {
      auto own = rope;
      if (rope && c.rope_type == "mixed") own = b.select(*rope, 0, i);
      x = b.layer(i, c.use_post_norm ? "EvaBlockPostNorm" : "EvaBlock", {x},
                  [&] { return eva_block(b, x, block_of(c, i), own); });
    }
    return x;
  });
}

Tensor features(Builder& b, const EvaConfig& c) {
  const auto layer = norm_or_default(c.norm_layer);
  const auto image = image_input(b, image_of(c));
  auto x = patch_embed(
      b, image,
      {.patch = c.patch_size, .embed_dim = c.embed_dim, .bias = !c.use_pre_transformer_norm});
  std::optional<Tensor> rope;
  if (rotates(c)) rope = rope_tables(b, rope_grid(image, c), c);
  x = dropout(b, "pos_drop", with_tokens_and_positions(b, x, c), c.pos_drop_rate);
  if (c.patch_drop_rate > 0) {
    x = patch_dropout(b, x, prefix_tokens(c), c.patch_drop_rate);
    if (rope && b.options().training) rope = kept_rows(b, *rope, x.dim(1) - prefix_tokens(c));
  }
  x = norm_or_identity(b, "norm_pre", x, c.use_pre_transformer_norm, layer);
  b.graph().num_tokens = x.dim(1);
  x = blocks(b, x, rope, c);
  return norm_or_identity(b, "norm", x, c.use_post_transformer_norm.value_or(!has_fc_norm(c)),
                          layer);
}

Tensors forward(Builder& b, const EvaConfig& c) {
  b.graph().modules[0].type = "Eva";
  const auto layer = norm_or_default(c.norm_layer);
  auto x = features(b, c);
  if (!c.swiglu_mlp) note_plain_stack(b, c.depth, c.embed_dim, c.num_heads, c.mlp_ratio);
  x = c.global_pool == "map"
          ? attention_pool(
                b, x, {.num_heads = pool_heads(c), .mlp_ratio = pool_mlp_ratio(c), .norm = layer})
          : pool_tokens(b, x, c.global_pool, prefix_tokens(c));
  x = norm_or_identity(b, "fc_norm", x, has_fc_norm(c), layer);
  x = dropout(b, "head_drop", x, c.drop_rate);
  return {classifier(b, "head", x, c.num_classes)};
}

std::vector<Field> block_fields() {
  using C = EvaConfig;
  return {
      field<&C::qkv_bias>("qkv_bias", "Bias of the query, key and value projection."),
      field<&C::qkv_fused>("qkv_fused", "One projection for query, key and value."),
      field<&C::swiglu_mlp>("swiglu_mlp", "SwiGLU instead of an MLP."),
      field<&C::swiglu_align_to>("swiglu_align_to",
                                 "Hidden features of SwiGLU are rounded up to a multiple of this; "
                                 "0: they are not.")
          .at_most(kMaxWidth),
      field<&C::scale_mlp>("scale_mlp", "A norm before the MLP's last layer."),
      field<&C::scale_attn_inner>("scale_attn_inner",
                                  "A norm before the attention's output projection."),
      field<&C::attn_type>("attn_type",
                           "Attention: eva (keys have no bias) or rope (they have one).")
          .one_of({"eva", "rope"}),
      field<&C::norm_layer>("norm_layer", "Norm of the blocks.")
          .one_of({"LayerNorm", "RmsNorm"})
          .takes("eps"),
      field<&C::init_values>("init_values", "Initial scale of the branches; null: no scale.")
          .at_least(-1e6),
  };
}

std::vector<Field> eva_position_fields() {
  using C = EvaConfig;
  return {
      field<&C::class_token>("class_token", "A learned class token."),
      field<&C::num_reg_tokens>("num_reg_tokens", "Register tokens.").at_most(kMaxSide),
      field<&C::no_embed_class>("no_embed_class", "Position embedding for the patches alone."),
      field<&C::use_abs_pos_emb>("use_abs_pos_emb", "A learned position embedding."),
      field<&C::use_rot_pos_emb>("use_rot_pos_emb", "Rotary position embedding (RoPE)."),
      field<&C::rope_type>("rope_type",
                           "Kind of RoPE: cat, dinov3, mixed (learned frequencies), or none.")
          .one_of({"cat", "mixed", "dinov3", "none"}),
      field<&C::rope_grid_offset>("rope_grid_offset",
                                  "Offset of the grid's positions (no effect on counts).")
          .at_least(-1e6),
      field<&C::rope_grid_indexing>("rope_grid_indexing",
                                    "Order of the grid's axes (no effect on counts).")
          .one_of({"ij", "xy"}),
      field<&C::rope_temperature>("rope_temperature",
                                  "Base of the frequencies (no effect on counts)."),
      field<&C::rope_rotate_half>("rope_rotate_half",
                                  "RoPE turns pairs of halves, not of neighbours."),
      field<&C::ref_feat_shape>("ref_feat_shape",
                                "Grid that RoPE's positions are scaled to (no effect on counts).")
          .between(1, kMaxSide)
          .or_null(),
  };
}

std::vector<Field> norm_and_head_fields() {
  using C = EvaConfig;
  return {
      field<&C::use_post_norm>("use_post_norm", "Norms stand after the layers of a block."),
      field<&C::use_pre_transformer_norm>(
          "use_pre_transformer_norm",
          "A norm before the blocks; the patch embedding then has no bias."),
      field<&C::use_post_transformer_norm>(
          "use_post_transformer_norm",
          "A norm after the blocks; null: unless there is an fc_norm."),
      field<&C::use_fc_norm>("use_fc_norm", "A norm after pooling; null: when global_pool is avg."),
      field<&C::attn_pool_num_heads>("attn_pool_num_heads",
                                     "Heads of attention pooling; null: num_heads.")
          .at_most(kMaxWidth),
      field<&C::attn_pool_mlp_ratio>("attn_pool_mlp_ratio",
                                     "MLP ratio of attention pooling; null: mlp_ratio.")
          .above(0)
          .at_most(1e4),
      field<&C::head_init_scale>("head_init_scale",
                                 "Scale of the head's first weights (no effect on counts).")
          .at_least(-1e6),
  };
}

}  // namespace

Architecture eva_architecture() {
  using C = EvaConfig;
  auto a = architecture<C, validate, forward>("eva",
                                              "EVA, EVA-02, DINOv3, Perception Encoder and "
                                              "RoPE-ViT: timm's eva module (arXiv:2303.11331).");
  a.fields = all_fields(image_fields<C>(), global_pool_fields<C>(), stack_fields<C>(),
                        block_fields(), eva_position_fields(), norm_and_head_fields(),
                        dynamic_image_fields<C>(), drop_fields<C>());
  return a;
}

}  // namespace vitals
