#include "models/vision/vit.h"

#include "models/layers/activation_names.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"
#include "models/vision/vit_blocks.h"

#include <cmath>

namespace vitals {
namespace {

op::ActivationKind act_of(const VitConfig& c) {
  return c.act_layer.empty() ? op::ActivationKind::gelu : activation_kind(c.act_layer);
}

bool has_fc_norm(const VitConfig& c) {
  return c.final_norm && c.fc_norm.value_or(averages(c.global_pool));
}

std::uint64_t prefix_tokens(const VitConfig& c) {
  return (c.class_token ? 1 : 0) + (c.distilled ? 1 : 0) + c.reg_tokens;
}

ImagePatches image_of(const VitConfig& c) {
  return {c.img_size, c.patch_size, c.in_chans, c.dynamic_img_size, c.dynamic_img_pad};
}

bool splits_heads_in_two(const VitConfig& c) {
  return c.attn_layer == "diff" || c.block_fn == "DiffParallelScalingBlock";
}

void validate_sizes(const VitConfig& c) {
  check_patches(image_of(c), true);
  check_heads(c.embed_dim, c.num_heads);
  if (splits_heads_in_two(c) && c.embed_dim / c.num_heads % 2 != 0)
    fail("/num_heads: differential attention halves the head dimension, and {} is odd",
         c.embed_dim / c.num_heads);
  (void)hidden_features(c.embed_dim, c.mlp_ratio);
}

// The combinations that timm's constructor asserts against.
void validate(const VitConfig& c) {
  validate_sizes(c);
  if (!c.class_token && c.global_pool == "token")
    fail(
        "/class_token: global_pool 'token' needs a class token; set class_token to true, or "
        "global_pool to 'avg' or 'map'");
  if (c.distilled && !c.class_token) fail("/distilled: a distillation token needs a class token");
  if (c.distilled && c.global_pool != "token")
    fail(
        "/distilled: the two heads read the class and distillation tokens; global_pool must be "
        "'token', not '{}'",
        c.global_pool);
  const bool parallel =
      c.block_fn == "ParallelScalingBlock" || c.block_fn == "DiffParallelScalingBlock";
  if (c.mlp_layer.act_layer) (void)activation_kind(*c.mlp_layer.act_layer);
  if (parallel && c.scale_attn_norm) fail("/scale_attn_norm: a {} has no such norm", c.block_fn);
  if (parallel && c.scale_mlp_norm) fail("/scale_mlp_norm: a {} has no such norm", c.block_fn);
  if (parallel && c.mlp_layer.kind != "Mlp")
    fail("/mlp_layer: a {} holds its MLP itself and takes no {}", c.block_fn, c.mlp_layer.kind);
  const bool packed = c.mlp_layer.kind == "GluMlp" || c.mlp_layer.kind == "SwiGLUPacked";
  if (packed && hidden_features(c.embed_dim, c.mlp_ratio) % 2 != 0)
    fail("/mlp_ratio: a {} splits its hidden features in two, and {} is odd", c.mlp_layer.kind,
         hidden_features(c.embed_dim, c.mlp_ratio));
}

VitBlock block_of(const VitConfig& c, std::uint64_t index) {
  VitBlock o;
  o.index = index;
  o.kind = c.block_fn;
  o.attn_layer = c.attn_layer == "DiffAttention" ? "diff" : c.attn_layer;
  o.num_heads = c.num_heads;
  const auto head_dim = c.embed_dim / c.num_heads;
  o.scale = c.qk_scale.value_or(1.0 / std::sqrt(static_cast<double>(head_dim)));
  o.qkv_bias = c.qkv_bias;
  o.proj_bias = c.proj_bias;
  o.qk_norm = c.qk_norm;
  o.scale_attn_norm = c.scale_attn_norm;
  o.layer_scale = c.init_values.has_value();
  o.norm = norm_or_default(c.norm_layer);
  o.mlp = {.kind = c.mlp_layer,
           .hidden = hidden_features(c.embed_dim, c.mlp_ratio),
           .act = act_of(c),
           .bias = c.proj_bias,
           .norm = c.scale_mlp_norm ? std::optional(o.norm) : std::nullopt,
           .drop = c.proj_drop_rate,
           .hidden_drop = c.mlp_drop_rate};
  o.proj_drop = c.proj_drop_rate;
  o.attn_drop = c.attn_drop_rate;
  o.drop_path = drop_path_rate_at(c.drop_path_rate, index, c.depth);
  return o;
}

// Class, distillation and register tokens before the patches; the position embedding counts them,
// unless no_embed_class says that it covers the patches alone.
Tensor with_tokens_and_positions(Builder& b, Tensor x, const VitConfig& c) {
  const auto prefix = prefix_tokens(c);
  const bool embeds = c.pos_embed == "learn";
  Tensors tokens;
  if (c.class_token) tokens.push_back(prefix_token(b, "cls_token", 1, c.embed_dim));
  if (c.distilled) tokens.push_back(prefix_token(b, "dist_token", 1, c.embed_dim));
  if (c.reg_tokens > 0) tokens.push_back(prefix_token(b, "reg_token", c.reg_tokens, c.embed_dim));
  const auto positions = image_of(c).count() + (c.no_embed_class ? 0 : prefix);
  auto add_positions = [&](Tensor t) { return embeds ? add_pos_embed(b, t, positions) : t; };
  if (c.no_embed_class) x = add_positions(x);
  tokens.push_back(x);
  if (tokens.size() > 1) x = b.concat(tokens, 1);
  return c.no_embed_class ? x : add_positions(x);
}

Tensor pooled(Builder& b, Tensor x, const VitConfig& c) {
  const auto prefix = c.pool_include_prefix ? 0 : prefix_tokens(c);
  if (c.global_pool != "map") return pool_tokens(b, x, c.global_pool, prefix);
  if (prefix > 0) x = b.slice(x, 1, prefix, x.dim(1) - prefix);
  return attention_pool(b, x, {c.num_heads, c.mlp_ratio, norm_or_default(c.norm_layer), act_of(c)});
}

Tensor pre_logits(Builder& b, Tensor x, const VitConfig& c) {
  const auto width = c.representation_size.value_or(0);
  if (width == 0) return identity(b, "pre_logits", x);
  return b.call("pre_logits", kSequential, {x}, [&] {
    return activation(b, "act", linear(b, "fc", x, width, Role::transform),
                      op::ActivationKind::tanh);
  });
}

// Training returns both heads' outputs, evaluation their mean (Touvron et al., arXiv:2012.12877).
Tensors distilled_heads(Builder& b, Tensor x, const VitConfig& c) {
  const auto cls = b.select(x, 1, 0);
  const auto dist = b.select(x, 1, 1);
  const auto y = classifier(b, "head", cls, c.num_classes);
  const auto y_dist = classifier(b, "head_dist", dist, c.num_classes);
  if (b.options().training) return {y, y_dist};
  return {(y + y_dist) * 0.5};
}

Tensor features(Builder& b, const VitConfig& c) {
  const auto image = image_input(b, image_of(c));
  std::optional<LayerSpec> embed_norm;
  if (!c.embed_norm_layer.kind.empty()) embed_norm = norm_or_default(c.embed_norm_layer);
  auto x = patch_embed(
      b, image,
      {.patch = c.patch_size, .embed_dim = c.embed_dim, .bias = !c.pre_norm, .norm = embed_norm});
  x = dropout(b, "pos_drop", with_tokens_and_positions(b, x, c), c.pos_drop_rate);
  if (c.patch_drop_rate > 0) x = patch_dropout(b, x, prefix_tokens(c), c.patch_drop_rate);
  x = norm_or_identity(b, "norm_pre", x, c.pre_norm, norm_or_default(c.norm_layer));
  b.graph().num_tokens = x.dim(1);
  x = b.call("blocks", kSequential, {x}, [&] {
    auto y = x;
    for (std::uint64_t i = 0; i < c.depth; ++i)
      y = b.layer(i, c.block_fn, {y}, [&] { return vit_block(b, y, block_of(c, i)); });
    return y;
  });
  return norm_or_identity(b, "norm", x, c.final_norm && !has_fc_norm(c),
                          norm_or_default(c.norm_layer));
}

bool plain_blocks(const VitConfig& c) {
  return (c.block_fn == "Block" || c.block_fn == "ResPostBlock") && c.attn_layer == "Attention" &&
         c.mlp_layer.kind == "Mlp";
}

Tensors forward(Builder& b, const VitConfig& c) {
  b.graph().modules[0].type = c.distilled ? "VisionTransformerDistilled" : "VisionTransformer";
  auto x = features(b, c);
  if (plain_blocks(c)) note_plain_stack(b, c.depth, c.embed_dim, c.num_heads, c.mlp_ratio);
  if (c.distilled) return distilled_heads(b, x, c);
  x = pooled(b, x, c);
  x = norm_or_identity(b, "fc_norm", x, has_fc_norm(c), norm_or_default(c.norm_layer));
  x = pre_logits(b, x, c);
  if (c.drop_rate > 0) x = dropout(b, "head_drop", x, c.drop_rate);
  return {classifier(b, "head", x, c.num_classes)};
}

std::vector<Field> vit_own_fields() {
  using C = VitConfig;
  return {
      field<&C::qkv_bias>("qkv_bias", "Bias of the query, key and value projection."),
      field<&C::qk_scale>("qk_scale", "Factor of the scores; null: head_dim^-0.5."),
      field<&C::qk_norm>("qk_norm", "Normalise queries and keys per head."),
      field<&C::scale_attn_norm>("scale_attn_norm",
                                 "A norm before the attention's output projection."),
      field<&C::scale_mlp_norm>("scale_mlp_norm", "A norm before the MLP's second layer."),
      field<&C::proj_bias>("proj_bias", "Biases of the output projection and the MLP."),
      field<&C::init_values>("init_values", "Initial LayerScale; null: no LayerScale.")
          .at_least(-1e6),
      field<&C::class_token>("class_token", "A learned class token."),
      field<&C::distilled>("distilled", "A distillation token and a second head (DeiT)."),
      field<&C::pos_embed>("pos_embed", "Position embedding: learned, or none.")
          .one_of({"learn", "none", ""}),
      field<&C::no_embed_class>("no_embed_class", "Position embedding for the patches alone."),
      field<&C::reg_tokens>("reg_tokens", "Register tokens.").at_most(kMaxSide),
      field<&C::pre_norm>("pre_norm",
                          "A norm before the blocks; the patch embedding then has no bias."),
      field<&C::final_norm>("final_norm", "A norm after the blocks (norm or fc_norm)."),
      field<&C::fc_norm>("fc_norm",
                         "The final norm after pooling; null: when global_pool averages."),
      field<&C::pool_include_prefix>("pool_include_prefix",
                                     "Averages include class and register tokens."),
      field<&C::representation_size>(
          "representation_size", "Width of the layer (fc + tanh) before the head; null, 0: none."),
  };
}

std::vector<Field> vit_layer_fields() {
  using C = VitConfig;
  return {
      field<&C::mlp_drop_rate>("mlp_drop_rate",
                               "Dropout after the MLP's activation; null: proj_drop_rate.")
          .below(1),
      field<&C::embed_layer>("embed_layer", "Layer that embeds the patches.")
          .one_of({"PatchEmbed"}),
      field<&C::embed_norm_layer>("embed_norm_layer", "Norm of the patch embedding; null: none.")
          .one_of({"LayerNorm", "RmsNorm"})
          .takes("eps"),
      field<&C::norm_layer>("norm_layer", "Norm of the blocks; null: LayerNorm with eps 1e-6.")
          .one_of({"LayerNorm", "RmsNorm"})
          .takes("eps"),
      field<&C::act_layer>("act_layer", "Activation of the MLP; null: gelu.")
          .one_of(activation_names())
          .or_null(),
      field<&C::block_fn>("block_fn", "Kind of block.").one_of(kVitBlockKinds),
      field<&C::mlp_layer>("mlp_layer", "Feed-forward layer.")
          .one_of({"Mlp", "GluMlp", "SwiGLU", "SwiGLUPacked"})
          .takes("act_layer")
          .takes("gate_last", "GluMlp"),
      field<&C::attn_layer>("attn_layer", "Attention layer.")
          .one_of({"Attention", "diff", "DiffAttention"}),
  };
}

std::vector<Field> fields() {
  using C = VitConfig;
  return all_fields(image_fields<C>(), global_pool_fields<C>(), stack_fields<C>(), vit_own_fields(),
                    dynamic_image_fields<C>(), drop_fields<C>(), vit_layer_fields());
}

std::vector<Alias> field_aliases() {
  return {
      {"in_c", "Image channels (original code).", {"in_chans"}},
      {"drop_ratio",
       "Dropout after the position embedding, the attention's projection and both MLP "
       "layers (original code).",
       {"pos_drop_rate", "proj_drop_rate"}},
      {"attn_drop_ratio", "Dropout of the attention weights (original code).", {"attn_drop_rate"}},
      {"drop_path_ratio", "Stochastic depth (original code).", {"drop_path_rate"}},
  };
}

std::vector<std::string> remarks(const VitConfig& c) {
  std::vector<std::string> result;
  const auto& own = c.mlp_layer.act_layer;
  if (own && activation_kind(*own) != act_of(c))
    result.push_back(fmt::format(
        "/mlp_layer: its act_layer {} has no effect, because timm's blocks hand their own to the "
        "layer, here {}; what acts is the model's act_layer",
        *own, activation_type(act_of(c))));
  if (c.pos_embed == "none" && c.no_embed_class)
    result.emplace_back(
        "/no_embed_class: has no effect, because there is no position embedding that could leave "
        "out the class token");
  return result;
}

}  // namespace

Architecture vit_architecture() {
  auto a = architecture<VitConfig, validate, forward, remarks>(
      "vit",
      "Vision Transformer (arXiv:2010.11929): the original code and timm's vision_transformer.");
  a.aliases = {"vision_transformer"};
  a.fields = fields();
  a.field_aliases = field_aliases();
  return a;
}

Architecture deit_architecture() {
  auto a = vit_architecture();
  a.name = "deit";
  a.doc =
      "DeiT with distillation (arXiv:2012.12877): a ViT with a distillation token and two heads.";
  a.aliases = {};
  a.make = [] {
    auto config = std::make_shared<VitConfig>();
    config->distilled = true;
    return std::shared_ptr<void>(config);
  };
  return a;
}

}  // namespace vitals
