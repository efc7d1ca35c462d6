#include "models/vision/metaformer.h"

#include "models/layers/activation_names.h"
#include "models/vision/conv_parts.h"
#include "models/vision/image.h"

#include <cmath>
#include <numeric>

namespace vitals {
namespace {

constexpr std::uint64_t kMixerHeadDim = 32;
constexpr std::uint64_t kHeadRatio = 4;  // hidden features of the head's MLP over the width

const std::string& mixer_at(const MetaFormerConfig& c, std::size_t stage) {
  return c.token_mixers.size() == 1 ? c.token_mixers[0] : c.token_mixers[stage];
}

void validate(const MetaFormerConfig& c) {
  if (c.depths.size() != c.dims.size())
    fail("/depths: {} stages, but dims has {}", c.depths.size(), c.dims.size());
  if (c.token_mixers.size() != 1 && c.token_mixers.size() != c.dims.size())
    fail("/token_mixers: {} values for {} stages; state one, or one a stage", c.token_mixers.size(),
         c.dims.size());
  for (std::size_t i = 0; i < c.dims.size(); ++i) {
    const auto& mixer = mixer_at(c, i);
    if (mixer != "pooling" && mixer != "sepconv" && mixer != "attention")
      fail("/token_mixers: unknown value '{}'; one of 'pooling', 'sepconv', 'attention'", mixer);
    if (mixer == "attention" && c.dims[i] % kMixerHeadDim != 0)
      fail("/dims: {} is not divisible by the {} features of a head", c.dims[i], kMixerHeadDim);
  }
}

// scale * relu(x)^2 + bias with two learned numbers (arXiv:2210.13452, section 3.2).
Tensor star_relu(Builder& b, std::string_view name, Tensor x, const MetaFormerConfig& c) {
  if (c.act_layer != "star_relu") return activation(b, name, x, activation_kind(c.act_layer));
  return b.call(name, "StarReLU", {x}, [&] {
    const auto y = b.activation(x, op::ActivationKind::relu_squared);
    const auto scale = b.parameter("scale", {1}, Role::scale);
    const auto bias = b.parameter("bias", {1}, Role::scale, true);
    return y * scale + bias;
  });
}

// Over the channels of [B, C, H, W] or [B, N, C], or over all of a sample (one group).
Tensor block_norm(Builder& b, std::string_view name, Tensor x, const MetaFormerConfig& c) {
  if (c.norm_layer == "layernorm") {
    const NormOptions weight_alone{.eps = 1e-6, .bias = false};
    return x.shape().rank() == 3 ? norm(b, name, x, weight_alone)
                                 : norm2d(b, name, x, weight_alone);
  }
  return group_norm(b, name, x, 1, 1e-5, "GroupNorm1");
}

Tensor mix_by_attention(Builder& b, Tensor x) {
  const auto heads = x.dim(-1) / kMixerHeadDim;
  return b.call("token_mixer", attention_type("Attention", heads, heads), {x}, [&] {
    const auto width = x.dim(-1);
    const auto [q, k, v] = split_heads(b, linear(b, "qkv", x, 3 * width, Role::qkv, false), heads);
    const AttentionCore core{.scale = 1.0 / std::sqrt(static_cast<double>(kMixerHeadDim))};
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    return dropout(b, "proj_drop", linear(b, "proj", y, width, Role::attention_output, false), 0.0);
  });
}

Tensor mix_tokens(Builder& b, Tensor x, const std::string& mixer, const MetaFormerConfig& c) {
  if (mixer == "attention") return mix_by_attention(b, x);
  if (mixer == "pooling")
    return b.call("token_mixer", "Pooling", {x}, [&] {
      const SquarePool pool{.kind = op::PoolKind::avg, .kernel = 3, .stride = 1, .padding = 1};
      return square_pool(b, "pool", x, pool) - x;
    });
  return b.call("token_mixer", "SepConv", {x}, [&] {
    const auto mid = 2 * x.dim(1);
    auto y = star_relu(b, "act1", square_conv(b, "pwconv1", x, mid, {}), c);
    y = square_conv(b, "dwconv", y, mid, {.kernel = 7, .groups = mid});
    return square_conv(b, "pwconv2", identity(b, "act2", y), x.dim(1), {});
  });
}

Tensor mixer_mlp(Builder& b, Tensor x, const MetaFormerConfig& c) {
  const bool conv = x.shape().rank() == 4;
  const auto width = x.dim(conv ? 1 : -1);
  auto layer = [&](std::string_view name, Tensor y, std::uint64_t out, Role role) {
    return conv ? conv1x1(b, name, y, out, role, c.mlp_bias)
                : linear(b, name, y, out, role, c.mlp_bias);
  };
  return b.call("mlp", {"Mlp", Role::feed_forward}, {x}, [&] {
    const auto y = star_relu(b, "act", layer("fc1", x, 4 * width, Role::up), c);
    return layer("fc2", y, width, Role::down);
  });
}

Tensor scaled(Builder& b, std::string_view name, Tensor x, bool wanted) {
  if (!wanted) return identity(b, name, x);
  return b.call(name, {"Scale", Role::scale}, {x}, [&] {
    const auto width = x.dim(x.shape().rank() == 4 ? 1 : -1);
    const auto scale = b.parameter("scale", {width});
    return x * (x.shape().rank() == 4 ? b.reshape(scale, {width, 1, 1}) : scale);
  });
}

Tensor meta_block(Builder& b, Tensor x, std::size_t stage, double rate, const MetaFormerConfig& c) {
  const bool residual = c.dims.size() - stage <= c.res_scale_stages;
  auto y = mix_tokens(b, block_norm(b, "norm1", x, c), mixer_at(c, stage), c);
  y = scaled(b, "layer_scale1", drop_path(b, "drop_path1", y, rate), c.layer_scale);
  x = scaled(b, "res_scale1", x, residual) + y;
  y = mixer_mlp(b, block_norm(b, "norm2", x, c), c);
  y = scaled(b, "layer_scale2", drop_path(b, "drop_path2", y, rate), c.layer_scale);
  return scaled(b, "res_scale2", x, residual) + y;
}

NormOptions shrinking_norm() { return {.eps = 1e-6, .bias = false}; }

Tensor meta_stage(Builder& b, Tensor x, std::size_t stage, const MetaFormerConfig& c) {
  const auto out = c.dims[stage];
  if (x.dim(1) != out)
    x = b.call("downsample", "Downsampling", {x}, [&] {
      const auto y = c.downsample_norm ? norm2d(b, "norm", x, shrinking_norm()) : x;
      return square_conv(b, "conv", y, out, {.kernel = 3, .stride = 2, .bias = true});
    });
  else
    x = identity(b, "downsample", x);
  const Shape grid = x.shape();
  const bool tokens = mixer_at(c, stage) == "attention";
  if (tokens) x = b.transpose(b.reshape(x, {grid[0], grid[1], grid[2] * grid[3]}), 1, 2);
  const auto before = std::accumulate(
      c.depths.begin(), c.depths.begin() + static_cast<std::ptrdiff_t>(stage), std::uint64_t{0});
  const auto all = std::accumulate(c.depths.begin(), c.depths.end(), std::uint64_t{0});
  x = b.call("blocks", kSequential, {x}, [&] {
    auto y = x;
    for (std::uint64_t i = 0; i < c.depths[stage]; ++i)
      y = b.layer(i, "MetaFormerBlock", {y}, [&] {
        const auto rate = drop_path_rate_at(c.drop_path_rate, before + i, all);
        return meta_block(b, y, stage, rate, c);
      });
    return y;
  });
  return tokens ? b.reshape(b.transpose(x, 1, 2), grid) : x;
}

Tensor meta_head(Builder& b, Tensor x, const MetaFormerConfig& c) {
  return b.call("head", kSequential, {x}, [&] {
    const auto pooled = pool_image(b, "global_pool", x, c.global_pool);
    auto y = norm(b, "norm", pooled, NormOptions{.eps = 1e-6});
    if (c.num_classes == 0) return identity(b, "fc", y);
    if (!c.use_mlp_head) return linear(b, "fc", y, c.num_classes, Role::classifier);
    y = dropout(b, "drop", y, c.drop_rate);
    return b.call("fc", "MlpHead", {y}, [&] {
      auto z = linear(b, "fc1", y, kHeadRatio * y.dim(1), Role::transform);
      z = activation(b, "act", z, op::ActivationKind::relu_squared);
      z = norm(b, "norm", z, NormOptions{.eps = 1e-6});
      return linear(b, "fc2", dropout(b, "head_drop", z, c.drop_rate), c.num_classes,
                    Role::classifier);
    });
  });
}

Tensors forward(Builder& b, const MetaFormerConfig& c) {
  b.graph().modules[0].type = "MetaFormer";
  const auto image = conv_image(b, c.img_size, c.in_chans);
  auto x = b.call("stem", "Stem", {image}, [&] {
    const Conv2dOptions conv{.kernel = {7, 7}, .stride = {4, 4}, .padding = {2, 2}};
    const auto y = conv2d(b, "conv", image, c.dims[0], conv);
    return c.downsample_norm ? norm2d(b, "norm", y, shrinking_norm()) : identity(b, "norm", y);
  });
  x = b.call("stages", kSequential, {x}, [&] {
    auto y = x;
    for (std::size_t i = 0; i < c.dims.size(); ++i)
      y = b.call(std::to_string(i), "MetaFormerStage", {y}, [&] { return meta_stage(b, y, i, c); });
    return y;
  });
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  return {meta_head(b, x, c)};
}

}  // namespace

Architecture metaformer_architecture() {
  using C = MetaFormerConfig;
  auto a = architecture<C, validate, forward>(
      "metaformer", "PoolFormer, ConvFormer and CAFormer: timm's metaformer module.");
  std::vector<Field> own = {
      field<&C::img_size>("img_size", "Image height and width in pixels.").between(1, kMaxSide),
      field<&C::in_chans>("in_chans", "Image channels.").between(1, kMaxWidth),
      field<&C::num_classes>("num_classes", "Classes of the head; 0: no head.").at_most(1e9),
      field<&C::global_pool>("global_pool", "How positions become one vector.")
          .one_of({"avg", "max", "avgmax"}),
      field<&C::depths>("depths", "Blocks of each stage.").at_most(kMaxDepth),
      field<&C::dims>("dims", "Width of each stage.").between(1, kMaxWidth),
      field<&C::token_mixers>("token_mixers",
                              "What mixes places: pooling, sepconv or attention; one, or one a "
                              "stage."),
      field<&C::act_layer>("act_layer", "Activation of the MLPs and of sepconv.")
          .one_of({"star_relu", "gelu"}),
      field<&C::mlp_bias>("mlp_bias", "Biases of the MLPs."),
      field<&C::layer_scale>("layer_scale", "LayerScale behind mixer and MLP."),
      field<&C::res_scale_stages>("res_scale_stages",
                                  "So many last stages scale what passes around them.")
          .at_most(64),
      field<&C::downsample_norm>("downsample_norm", "Norms behind the stem and before each stage."),
      field<&C::norm_layer>("norm_layer",
                            "Norm of the blocks: over channels without a bias, or one group.")
          .one_of({"layernorm", "groupnorm1"}),
      field<&C::use_mlp_head>("use_mlp_head", "A hidden layer in the head."),
      field<&C::drop_rate>("drop_rate", "Dropout in the head.").below(1),
      field<&C::drop_path_rate>("drop_path_rate",
                                "Stochastic depth of the last block; it grows linearly from 0.")
          .below(1),
  };
  a.fields = std::move(own);
  return a;
}

}  // namespace vitals
