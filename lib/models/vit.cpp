#include "models/vit.h"

#include "models/vit_blocks.h"

#include <cmath>

namespace vitals {
namespace {

// What timm gives when a spec leaves a layer to the architecture.
LayerSpec norm_of(const LayerSpec& chosen) {
  LayerSpec layer = chosen;
  if (layer.kind.empty()) layer.kind = "LayerNorm";
  if (!layer.eps) layer.eps = 1e-6;
  return layer;
}

op::ActivationKind act_of(const VitConfig& c) {
  return c.act_layer.empty() ? op::ActivationKind::gelu : activation_kind(c.act_layer);
}

bool averages(const VitConfig& c) {
  return c.global_pool == "avg" || c.global_pool == "avgmax" || c.global_pool == "max";
}
bool has_fc_norm(const VitConfig& c) { return c.final_norm && c.fc_norm.value_or(averages(c)); }

std::uint64_t prefix_tokens(const VitConfig& c) {
  return (c.class_token ? 1 : 0) + (c.distilled ? 1 : 0) + c.reg_tokens;
}

// Those that the position embedding counts; a border narrower than a patch is not one.
std::uint64_t patches(const VitConfig& c) {
  return (c.img_size.height / c.patch_size.height) * (c.img_size.width / c.patch_size.width);
}

bool fits_patches(const VitConfig& c) {
  return c.img_size.height % c.patch_size.height == 0 && c.img_size.width % c.patch_size.width == 0;
}

bool splits_heads_in_two(const VitConfig& c) {
  return c.attn_layer == "diff" || c.block_fn == "DiffParallelScalingBlock";
}

void validate_sizes(const VitConfig& c) {
  const auto side = [&](std::string_view axis, std::uint64_t image, std::uint64_t patch) {
    if (image < patch)
      fail("/img_size: {} {} is smaller than the patch {} {}", axis, image, axis, patch);
    if (image % patch != 0 && !c.dynamic_img_pad)
      fail(
          "/img_size: {} {} is not divisible by the patch {} {}; the nearest sizes are {} and {} "
          "(or state dynamic_img_pad: false cuts the border off, true pads it, as timm does)",
          axis, image, axis, patch, image / patch * patch, (image / patch + 1) * patch);
  };
  side("height", c.img_size.height, c.patch_size.height);
  side("width", c.img_size.width, c.patch_size.width);
  if (c.dynamic_img_pad.value_or(false) && !fits_patches(c) && !c.dynamic_img_size)
    fail(
        "/dynamic_img_pad: padding adds patches that the position embedding does not have; set "
        "dynamic_img_size to true, so that it is resized");
  if (c.embed_dim % c.num_heads != 0)
    fail("/embed_dim: {} is not divisible by num_heads {}", c.embed_dim, c.num_heads);
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
  if (parallel && c.scale_attn_norm) fail("/scale_attn_norm: a {} has no such norm", c.block_fn);
  if (parallel && c.scale_mlp_norm) fail("/scale_mlp_norm: a {} has no such norm", c.block_fn);
  if (parallel && c.mlp_layer.kind != "Mlp")
    fail("/mlp_layer: a {} holds its MLP itself and takes no {}", c.block_fn, c.mlp_layer.kind);
  if (c.pos_embed == "none" && c.no_embed_class)
    fail("/no_embed_class: there is no position embedding that could leave out the class token");
  const bool packed = c.mlp_layer.kind == "GluMlp" || c.mlp_layer.kind == "SwiGLUPacked";
  if (packed && hidden_features(c.embed_dim, c.mlp_ratio) % 2 != 0)
    fail("/mlp_ratio: a {} splits its hidden features in two, and {} is odd", c.mlp_layer.kind,
         hidden_features(c.embed_dim, c.mlp_ratio));
}

VitBlock block_of(const VitConfig& c, std::uint64_t index) {
  VitBlock o;
  o.kind = c.block_fn;
  o.attn_layer = c.attn_layer == "DiffAttention" ? "diff" : c.attn_layer;
  o.num_heads = c.num_heads;
  const auto head_dim = static_cast<double>(c.embed_dim / c.num_heads);
  o.scale = c.qk_scale.value_or(1.0 / std::sqrt(head_dim));
  o.qkv_bias = c.qkv_bias;
  o.proj_bias = c.proj_bias;
  o.qk_norm = c.qk_norm;
  o.scale_attn_norm = c.scale_attn_norm;
  o.layer_scale = c.init_values.has_value();
  o.norm = norm_of(c.norm_layer);
  o.mlp = {.kind = c.mlp_layer,
           .hidden = hidden_features(c.embed_dim, c.mlp_ratio),
           .act = act_of(c),
           .bias = c.proj_bias,
           .norm = c.scale_mlp_norm ? std::optional(o.norm) : std::nullopt,
           .drop = c.proj_drop_rate};
  o.proj_drop = c.proj_drop_rate;
  o.attn_drop = c.attn_drop_rate;
  o.drop_path = drop_path_rate_at(c.drop_path_rate, index, c.depth);
  return o;
}

Tensor prefix_token(Builder& b, std::string_view name, std::uint64_t count, const VitConfig& c) {
  const auto batch = b.options().batch;
  return b.expand(b.parameter(name, {1, count, c.embed_dim}), {batch, count, c.embed_dim});
}

// Class, distillation and register tokens before the patches; the position embedding counts them,
// unless no_embed_class says that it covers the patches alone.
Tensor with_tokens_and_positions(Builder& b, Tensor x, const VitConfig& c) {
  const auto prefix = prefix_tokens(c);
  const bool embeds = c.pos_embed == "learn";
  Tensors tokens;
  if (c.class_token) tokens.push_back(prefix_token(b, "cls_token", 1, c));
  if (c.distilled) tokens.push_back(prefix_token(b, "dist_token", 1, c));
  if (c.reg_tokens > 0) tokens.push_back(prefix_token(b, "reg_token", c.reg_tokens, c));
  const auto positions = patches(c) + (c.no_embed_class ? 0 : prefix);
  auto add_positions = [&](Tensor t) {
    if (!embeds) return t;
    const auto table = b.parameter("pos_embed", {1, positions, c.embed_dim});
    // A padded image has more patches than the table: timm resizes it at run time.
    return t + (t.dim(1) == positions ? table : b.constant({1, t.dim(1), c.embed_dim}));
  };
  if (c.no_embed_class) x = add_positions(x);
  tokens.push_back(x);
  if (tokens.size() > 1) x = b.concat(tokens, 1);
  return c.no_embed_class ? x : add_positions(x);
}

// Keeps a random share of the patches in training (FLIP, arXiv:2212.00794); prefix tokens stay.
// Which ones are kept does not change a count, so the trace takes the first.
Tensor patch_dropout(Builder& b, Tensor x, const VitConfig& c) {
  return b.call("patch_drop", "PatchDropout", {x}, [&] {
    if (!b.options().training) return x;
    const auto prefix = prefix_tokens(c);
    const auto length = static_cast<double>(x.dim(1) - prefix);
    const auto keep = static_cast<std::uint64_t>(std::max(1.0, length * (1 - c.patch_drop_rate)));
    const auto kept = b.contiguous(b.slice(x, 1, prefix, keep));
    return prefix > 0 ? b.concat({b.slice(x, 1, 0, prefix), kept}, 1) : kept;
  });
}

// Attention pooling with one learned query (SigLIP's head, arXiv:2303.15343).
Tensor attention_pool(Builder& b, Tensor x, const VitConfig& c) {
  return b.call("attn_pool", "AttentionPoolLatent", {x}, [&] {
    const auto heads = c.num_heads;
    const auto head_dim = c.embed_dim / heads;
    const auto latent = prefix_token(b, "latent", 1, c);
    auto q = linear(b, "q", latent, c.embed_dim, true);
    q = b.transpose(b.reshape(q, {x.dim(0), 1, heads, head_dim}), 1, 2);
    auto kv = linear(b, "kv", x, 2 * c.embed_dim, true);
    kv = b.permute(b.reshape(kv, {x.dim(0), x.dim(1), 2, heads, head_dim}), {2, 0, 3, 1, 4});
    auto y = attention_core(
        b, q, b.select(kv, 0, 0), b.select(kv, 0, 1),
        {.scale = 1.0 / std::sqrt(static_cast<double>(head_dim)), .scale_query = true});
    y = b.reshape(b.transpose(y, 1, 2), {x.dim(0), 1, c.embed_dim});
    y = dropout(b, "proj_drop", linear(b, "proj", y, c.embed_dim), 0.0);
    const MlpOptions options{.hidden = hidden_features(c.embed_dim, c.mlp_ratio), .act = act_of(c)};
    y = y + mlp(b, "mlp", norm(b, "norm", y, norm_of(c.norm_layer)), options);
    return b.select(y, 1, 0);
  });
}

Tensor pooled(Builder& b, Tensor x, const VitConfig& c) {
  if (c.global_pool == "token") return b.select(x, 1, 0);
  if (c.global_pool.empty()) return x;
  const auto prefix = prefix_tokens(c);
  if (!c.pool_include_prefix && prefix > 0) x = b.slice(x, 1, prefix, x.dim(1) - prefix);
  if (c.global_pool == "map") return attention_pool(b, x, c);
  const auto mean = [&] { return b.mean(x, 1); };
  const auto max = [&] { return b.add(op::Reduce{op::ReduceKind::max, 1}, {x}); };
  if (c.global_pool == "avg") return mean();
  return c.global_pool == "max" ? max() : (max() + mean()) * 0.5;
}

Tensor pre_logits(Builder& b, Tensor x, const VitConfig& c) {
  if (c.representation_size == 0) return identity(b, "pre_logits", x);
  return b.call("pre_logits", "Sequential", {x}, [&] {
    return activation(b, "act", linear(b, "fc", x, c.representation_size),
                      op::ActivationKind::tanh);
  });
}

Tensor head(Builder& b, std::string_view name, Tensor x, const VitConfig& c) {
  return c.num_classes > 0 ? linear(b, name, x, c.num_classes) : identity(b, name, x);
}

// Training returns both heads' outputs, evaluation their mean (Touvron et al., arXiv:2012.12877).
Tensors distilled_heads(Builder& b, Tensor x, const VitConfig& c) {
  const auto cls = b.select(x, 1, 0);
  const auto dist = b.select(x, 1, 1);
  const auto y = head(b, "head", cls, c);
  const auto y_dist = head(b, "head_dist", dist, c);
  if (b.options().training) return {y, y_dist};
  return {(y + y_dist) * 0.5};
}

// The image, with zeros below and to the right where it is padded to whole patches.
Tensor padded_image(Builder& b, const VitConfig& c) {
  auto image = b.input({b.options().batch, c.in_chans, c.img_size.height, c.img_size.width});
  if (!c.dynamic_img_pad.value_or(false) || fits_patches(c)) return image;
  const auto pad = [&](int axis, std::uint64_t patch) {
    auto zeros = image.shape();
    const auto rest = image.dim(axis) % patch;
    if (rest == 0) return;
    zeros[static_cast<std::size_t>(axis)] = patch - rest;
    image = b.concat({image, b.constant(zeros)}, axis);
  };
  pad(2, c.patch_size.height);
  pad(3, c.patch_size.width);
  return image;
}

Tensor features(Builder& b, const VitConfig& c) {
  const auto image = padded_image(b, c);
  std::optional<LayerSpec> embed_norm;
  if (!c.embed_norm_layer.kind.empty()) embed_norm = norm_of(c.embed_norm_layer);
  auto x = patch_embed(
      b, image,
      {.patch = c.patch_size, .embed_dim = c.embed_dim, .bias = !c.pre_norm, .norm = embed_norm});
  x = dropout(b, "pos_drop", with_tokens_and_positions(b, x, c), c.pos_drop_rate);
  if (c.patch_drop_rate > 0) x = patch_dropout(b, x, c);
  if (c.pre_norm) x = norm(b, "norm_pre", x, norm_of(c.norm_layer));
  b.graph().num_tokens = x.dim(1);
  x = b.call("blocks", "Sequential", {x}, [&] {
    auto y = x;
    for (std::uint64_t i = 0; i < c.depth; ++i)
      y = b.call(std::to_string(i), c.block_fn, {y},
                 [&] { return vit_block(b, y, block_of(c, i)); });
    return y;
  });
  return c.final_norm && !has_fc_norm(c) ? norm(b, "norm", x, norm_of(c.norm_layer)) : x;
}

// The rules of thumb speak of stacks whose layer is 12h^2 + 13h.
std::optional<PlainStack> plain_stack(const VitConfig& c, std::uint64_t tokens) {
  const bool plain = c.mlp_ratio == 4.0 &&
                     (c.block_fn == "Block" || c.block_fn == "ResPostBlock") &&
                     c.attn_layer == "Attention" && c.mlp_layer.kind == "Mlp";
  if (!plain) return std::nullopt;
  return PlainStack{c.depth, c.embed_dim, c.num_heads, tokens, 0};
}

Tensors forward(Builder& b, const VitConfig& c) {
  b.graph().modules[0].type = c.distilled ? "VisionTransformerDistilled" : "VisionTransformer";
  auto x = features(b, c);
  b.graph().plain_stack = plain_stack(c, x.dim(1));
  if (c.distilled) return distilled_heads(b, x, c);
  x = pooled(b, x, c);
  if (has_fc_norm(c)) x = norm(b, "fc_norm", x, norm_of(c.norm_layer));
  x = pre_logits(b, x, c);
  if (c.drop_rate > 0) x = dropout(b, "head_drop", x, c.drop_rate);
  return {head(b, "head", x, c)};
}

std::vector<Field> fields() {
  using C = VitConfig;
  return {
      field<&C::img_size>("img_size", "Image height and width in pixels.")
          .at_least(1)
          .at_most(kMaxSide),
      field<&C::patch_size>("patch_size", "Patch height and width in pixels.")
          .at_least(1)
          .at_most(kMaxSide),
      field<&C::in_chans>("in_chans", "Image channels.").at_least(1).at_most(kMaxWidth),
      field<&C::num_classes>("num_classes", "Classes of the head; 0: no head.").at_most(1e9),
      field<&C::global_pool>(
          "global_pool",
          "How tokens become one vector: the class token, the mean, "
          "maximum or both over the patches, attention pooling (map), or '' for none.")
          .one_of({"token", "avg", "avgmax", "max", "map", ""}),
      field<&C::embed_dim>("embed_dim", "Width of the tokens.").at_least(1).at_most(kMaxWidth),
      field<&C::depth>("depth", "Number of blocks.").at_most(kMaxDepth),
      field<&C::num_heads>("num_heads", "Attention heads.").at_least(1).at_most(kMaxWidth),
      field<&C::mlp_ratio>("mlp_ratio", "Hidden features of the MLP as a multiple of embed_dim.")
          .at_most(1e4),
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
      field<&C::dynamic_img_size>(
          "dynamic_img_size", "Position embeddings are resized at run time (no effect on counts)."),
      field<&C::dynamic_img_pad>(
          "dynamic_img_pad",
          "What happens to the border of an image that patches do not fill: cut off "
          "(false) or padded (true); null: such an image is an error."),
      field<&C::representation_size>("representation_size",
                                     "Width of the layer (fc + tanh) before the head; 0: none."),
      field<&C::drop_rate>("drop_rate", "Dropout before the head.").below(1),
      field<&C::pos_drop_rate>("pos_drop_rate", "Dropout after the position embedding.").below(1),
      field<&C::patch_drop_rate>("patch_drop_rate", "Share of the patches dropped in training.")
          .below(1),
      field<&C::proj_drop_rate>("proj_drop_rate",
                                "Dropout after the attention's projection and both MLP layers.")
          .below(1),
      field<&C::attn_drop_rate>("attn_drop_rate", "Dropout of the attention weights.").below(1),
      field<&C::drop_path_rate>("drop_path_rate",
                                "Stochastic depth of the last block; it grows linearly from 0.")
          .below(1),
      field<&C::embed_layer>("embed_layer", "Layer that embeds the patches.")
          .one_of({"PatchEmbed"}),
      field<&C::embed_norm_layer>("embed_norm_layer", "Norm of the patch embedding; null: none.")
          .one_of({"LayerNorm", "RmsNorm"}),
      field<&C::norm_layer>("norm_layer", "Norm of the blocks; null: LayerNorm with eps 1e-6.")
          .one_of({"LayerNorm", "RmsNorm"}),
      field<&C::act_layer>("act_layer", "Activation of the MLP; null: gelu.")
          .one_of(kActivationNames)
          .or_null(),
      field<&C::block_fn>("block_fn", "Kind of block.").one_of(kVitBlockKinds),
      field<&C::mlp_layer>("mlp_layer", "Feed-forward layer.")
          .one_of({"Mlp", "GluMlp", "SwiGLU", "SwiGLUPacked"}),
      field<&C::attn_layer>("attn_layer", "Attention layer.")
          .one_of({"Attention", "diff", "DiffAttention"}),
  };
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

}  // namespace

Architecture vit_architecture() {
  auto a = architecture<VitConfig, validate, forward>(
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
