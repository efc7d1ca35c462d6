#include "models/vision/mlp_mixer.h"

#include "models/layers/activation_names.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"

namespace vitals {
namespace {

ImagePatches image_of(const MlpMixerConfig& c) {
  return {c.img_size, c.patch_size, c.in_chans, false, std::nullopt};
}

// null stands for the module's own default.
std::string_view block_kind(const MlpMixerConfig& c) {
  return c.block_layer.kind.empty() ? std::string_view("MixerBlock") : c.block_layer.kind;
}
bool is_block(const MlpMixerConfig& c, std::string_view kind) { return block_kind(c) == kind; }

// One ratio stands for both; only a MixerBlock has an MLP over the tokens.
double token_ratio(const MlpMixerConfig& c) { return c.mlp_ratio.front(); }
double channel_ratio(const MlpMixerConfig& c) { return c.mlp_ratio.back(); }

void check_halves(const MlpMixerConfig& c, double ratio) {
  const auto hidden = hidden_features(c.embed_dim, ratio);
  if (c.mlp_layer != "Mlp" && hidden % 2 != 0)
    fail("/mlp_ratio: a {} splits its hidden features in two, and {} is odd", c.mlp_layer, hidden);
}

void validate(const MlpMixerConfig& c) {
  check_patches(image_of(c), false);
  if (c.mlp_ratio.size() > 2)
    fail("/mlp_ratio: {} ratios; one, or one for tokens and one for channels", c.mlp_ratio.size());
  if (c.mlp_ratio.size() == 2 && !is_block(c, "MixerBlock"))
    fail("/mlp_ratio: a {} has one MLP and takes one ratio", block_kind(c));
  check_halves(c, token_ratio(c));
  check_halves(c, channel_ratio(c));
  if (is_block(c, "SpatialGatingBlock") != (c.mlp_layer == "GatedMlp"))
    fail(
        "/mlp_layer: a GatedMlp stands in a SpatialGatingBlock and nowhere else; {} and {} do not "
        "fit",
        block_kind(c), c.mlp_layer);
  (void)activation_kind(c.act_layer);
}

// Linear layers over the patches see them as the last dimension.
template <class Layer>
Tensor over_tokens(Builder& b, Tensor x, Layer&& layer) {
  return b.transpose(layer(b.transpose(x, 1, 2)), 1, 2);
}

MlpOptions mlp_of(const MlpMixerConfig& c, double ratio) {
  MlpOptions o;
  o.kind.kind = c.mlp_layer;
  o.hidden = hidden_features(c.embed_dim, ratio);
  o.act = activation_kind(c.act_layer);
  o.drop = c.proj_drop_rate;
  return o;
}

Tensor mixer_block(Builder& b, Tensor x, const MlpMixerConfig& c) {
  auto y = over_tokens(b, norm(b, "norm1", x, norm_or_default(c.norm_layer)), [&](Tensor t) {
    return mlp(b, "mlp_tokens", t, mlp_of(c, token_ratio(c)));
  });
  x = x + drop_path(b, "drop_path", y, c.drop_path_rate);
  y = mlp(b, "mlp_channels", norm(b, "norm2", x, norm_or_default(c.norm_layer)),
          mlp_of(c, channel_ratio(c)));
  return x + drop_path(b, "drop_path", y, c.drop_path_rate);
}

Tensor res_block(Builder& b, Tensor x, const MlpMixerConfig& c) {
  auto y = over_tokens(b, norm(b, "norm1", x, norm_or_default(c.norm_layer)), [&](Tensor t) {
    return linear(b, "linear_tokens", t, t.dim(-1), Role::token_mixing);
  });
  x = x + drop_path(b, "drop_path", scaled_by(b, "ls1", y), c.drop_path_rate);
  y = mlp(b, "mlp_channels", norm(b, "norm2", x, norm_or_default(c.norm_layer)),
          mlp_of(c, channel_ratio(c)));
  return x + drop_path(b, "drop_path", scaled_by(b, "ls2", y), c.drop_path_rate);
}

// One half of the features gates the other, after a Linear layer over the patches.
Tensor spatial_gate(Builder& b, Tensor x) {
  return b.call("gate", "SpatialGatingUnit", {x}, [&] {
    const auto half = x.dim(-1) / 2;
    const auto u = b.slice(x, -1, 0, half);
    const auto v = norm(b, "norm", b.slice(x, -1, half, half), {"LayerNorm", 1e-5, {}, {}, {}});
    return u * over_tokens(b, v, [&](Tensor t) {
             return linear(b, "proj", t, t.dim(-1), Role::token_mixing);
           });
  });
}

Tensor spatial_gating_block(Builder& b, Tensor x, const MlpMixerConfig& c) {
  const auto o = mlp_of(c, channel_ratio(c));
  const auto in = norm(b, "norm", x, norm_or_default(c.norm_layer));
  const auto y = b.call("mlp_channels", {"GatedMlp", Role::feed_forward}, {in}, [&] {
    auto t = activation(b, "act", linear(b, "fc1", in, o.hidden, Role::up), o.act);
    t = spatial_gate(b, dropout(b, "drop1", t, o.drop));
    return dropout(b, "drop2", linear(b, "fc2", t, c.embed_dim, Role::down), o.drop);
  });
  return x + drop_path(b, "drop_path", y, c.drop_path_rate);
}

Tensor block(Builder& b, Tensor x, const MlpMixerConfig& c) {
  if (is_block(c, "ResBlock")) return res_block(b, x, c);
  return is_block(c, "SpatialGatingBlock") ? spatial_gating_block(b, x, c) : mixer_block(b, x, c);
}

Tensors forward(Builder& b, const MlpMixerConfig& c) {
  b.graph().modules[0].type = "MlpMixer";
  auto x = patch_embed(
      b, image_input(b, image_of(c)),
      {.name = "stem",
       .patch = c.patch_size,
       .embed_dim = c.embed_dim,
       .norm = c.stem_norm ? std::optional(norm_or_default(c.norm_layer)) : std::nullopt});
  b.graph().num_tokens = x.dim(1);
  x = b.call("blocks", kSequential, {x}, [&] {
    auto y = x;
    for (std::uint64_t i = 0; i < c.num_blocks; ++i)
      y = b.layer(i, block_kind(c), {y}, [&] { return block(b, y, c); });
    return y;
  });
  x = pool_tokens(b, norm(b, "norm", x, norm_or_default(c.norm_layer)), c.global_pool, 0);
  return {classifier(b, "head", dropout(b, "head_drop", x, c.drop_rate), c.num_classes)};
}

std::vector<Field> mlp_mixer_own_fields() {
  using C = MlpMixerConfig;
  return {
      field<&C::num_blocks>("num_blocks", "Number of blocks.").at_most(kMaxDepth),
      field<&C::embed_dim>("embed_dim", "Width of the tokens.").between(1, kMaxWidth),
      field<&C::mlp_ratio>("mlp_ratio",
                           "Hidden features as a multiple of embed_dim: one ratio, or that of the "
                           "MLP over tokens and that of the MLP over channels.")
          .above(0)
          .at_most(1e4),
      field<&C::block_layer>("block_layer",
                             "Kind of block: MLP-Mixer's, ResMLP's or gMLP's (init_values: "
                             "ResMLP's first scale, no effect on counts).")
          .one_of({"MixerBlock", "ResBlock", "SpatialGatingBlock"})
          .takes("init_values", "ResBlock"),
      field<&C::mlp_layer>("mlp_layer", "Feed-forward layer.")
          .one_of({"Mlp", "GluMlp", "GatedMlp"})
          .takes("gate_last", "GluMlp"),
      field<&C::norm_layer>("norm_layer", "Norm of the blocks; Affine scales and shifts only.")
          .one_of({"LayerNorm", "RmsNorm", "Affine"})
          .takes("eps", "LayerNorm")
          .takes("eps", "RmsNorm"),
      field<&C::act_layer>("act_layer", "Activation of the MLPs.").one_of(activation_names()),
      field<&C::nlhb>("nlhb", "How the head's first weights are drawn (no effect on counts)."),
      field<&C::stem_norm>("stem_norm", "A norm after the patch embedding."),
  };
}

}  // namespace

Architecture mlp_mixer_architecture() {
  using C = MlpMixerConfig;
  auto a = architecture<C, validate, forward>(
      "mlp_mixer",
      "MLP-Mixer, ResMLP and gMLP: timm's mlp_mixer module (arXiv:2105.01601, 2105.03404, "
      "2105.08050).");
  a.fields = all_fields(image_fields<C>(), global_pool_fields<C>({"avg", ""}),
                        mlp_mixer_own_fields(), drop_fields<C>("Stochastic depth of every block."));
  return a;
}

}  // namespace vitals
