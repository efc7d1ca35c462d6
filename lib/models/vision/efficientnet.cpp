#include "models/vision/efficientnet.h"

#include "models/vision/conv_parts.h"
#include "models/vision/efficientnet_blocks.h"
#include "models/vision/image.h"

namespace vitals {
namespace {

void validate(const EfficientNetConfig& c) {
  for (const auto& stage : c.blocks) (void)parse_mobile_stage(stage);
  if (c.pool_first && c.num_features == 0)
    fail("/num_features: 0, but a head behind the pooling needs its layer");
}

MobileStyle style_of(const EfficientNetConfig& c) {
  MobileStyle style;
  style.act = c.act_layer;
  style.same = c.pad_type == "same";
  style.aa_layer = c.aa_layer;
  style.se_from_expanded = c.se_from_exp;
  style.se_divisor = c.se_divisor;
  style.se_layer = c.se_layer;
  style.layer_scale = c.layer_scale;
  style.norm_eps = c.norm_eps;
  return style;
}

Tensor stage(Builder& b, Tensor x, const std::vector<MobileBlock>& blocks, const MobileStyle& style,
             std::uint64_t& index, const EfficientNetConfig& c, std::uint64_t all) {
  std::uint64_t inside = 0;
  for (auto block : blocks) {
    const auto repeats = block.repeats;
    for (std::uint64_t i = 0; i < repeats; ++i) {
      if (inside > 0) block.stride = 1;  // the first block of a stage alone shrinks the image
      // timm's rule here: index / number of blocks.
      const auto rate = c.drop_path_rate * static_cast<double>(index++) / static_cast<double>(all);
      x = b.layer(inside++, mobile_block_type(block.kind), {x},
                  [&] { return mobile_block(b, x, block, style, rate); });
    }
  }
  return x;
}

// The last convolution before the pooling (EfficientNet), or behind it (MobileNetV3).
Tensor head(Builder& b, Tensor x, const EfficientNetConfig& c) {
  if (!c.pool_first) {
    if (c.num_features > 0) {
      x = square_conv(b, "conv_head", x, c.num_features, {});
      x = batch_norm_act(b, "bn2", x, c.act_layer, c.norm_eps);
    }
    return pool_image(b, "global_pool", x, c.global_pool);
  }
  const auto pooled = pool_image(b, "global_pool", x, c.global_pool);
  x = b.reshape(pooled, {pooled.dim(0), pooled.dim(1), 1, 1});
  x = square_conv(b, "conv_head", x, c.num_features, {.bias = c.head_bias && !c.head_norm});
  x = c.head_norm ? batch_norm_act(b, "norm_head", x, c.act_layer, c.norm_eps)
                  : activation(b, "act2", x, c.act_layer);
  return b.reshape(x, {x.dim(0), x.dim(1)});
}

Tensors forward(Builder& b, const EfficientNetConfig& c) {
  b.graph().modules[0].type = c.pool_first ? "MobileNetV3" : "EfficientNet";
  const auto style = style_of(c);
  const auto image = conv_image(b, c.img_size, c.in_chans);
  auto x = square_conv(b, "conv_stem", image, c.stem_size,
                       {.kernel = c.stem_kernel_size, .stride = 2, .same = style.same});
  x = batch_norm_act(b, "bn1", x, c.act_layer, c.norm_eps);
  std::vector<std::vector<MobileBlock>> stages;
  std::uint64_t all = 0;
  for (const auto& text : c.blocks) {
    stages.push_back(parse_mobile_stage(text));
    for (const auto& block : stages.back()) all += block.repeats;
  }
  x = b.call("blocks", kSequential, {x}, [&] {
    auto y = x;
    std::uint64_t index = 0;
    for (std::size_t i = 0; i < stages.size(); ++i)
      y = b.call(std::to_string(i), kSequential, {y},
                 [&] { return stage(b, y, stages[i], style, index, c, all); });
    return y;
  });
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  return {pooled_classifier(b, "classifier", head(b, x, c), c.num_classes, c.drop_rate)};
}

std::vector<Field> efficientnet_fields() {
  using C = EfficientNetConfig;
  return {
      field<&C::blocks>("blocks",
                        "Blocks of each stage in timm's words (ir_r2_k3_s2_e6_c24_se0.25: inverted "
                        "residuals, 2 of them, kernel 3, stride 2, expansion 6, 24 channels), "
                        "joined by '+' where they differ."),
      field<&C::stem_size>("stem_size", "Channels of the stem.").between(1, kMaxWidth),
      field<&C::stem_kernel_size>("stem_kernel_size", "Side of the stem's convolution.")
          .between(1, kMaxSide),
      field<&C::num_features>("num_features", "Channels of the last convolution; 0: none.")
          .at_most(kMaxWidth),
      field<&C::pool_first>("pool_first", "The last convolution stands behind the pooling."),
      field<&C::head_bias>("head_bias", "Bias of a last convolution behind the pooling."),
      field<&C::head_norm>("head_norm", "A norm behind that convolution."),
      field<&C::pad_type>("pad_type", "Padding: even (''), or TensorFlow's same.")
          .one_of({"", "same"}),
      field<&C::aa_layer>("aa_layer", "What smooths before a stride.").one_of({"", "avg", "blur"}),
      field<&C::se_from_exp>("se_from_exp",
                             "Squeeze and excitation is sized by the expanded channels."),
      field<&C::se_divisor>("se_divisor",
                            "Its hidden channels are rounded to multiples of this, with a relu and "
                            "a hard sigmoid; 1: to the nearest, with the model's activation.")
          .between(1, kMaxWidth),
      field<&C::se_layer>("se_layer", "Squeeze and excitation: se, or one layer (ese).")
          .one_of({"se", "ese"}),
      field<&C::layer_scale>("layer_scale", "LayerScale behind universal blocks."),
      field<&C::norm_eps>("norm_eps", "Epsilon of the batch norms."),
      field<&C::drop_path_rate>("drop_path_rate",
                                "Stochastic depth of the last block; it grows linearly from 0.")
          .below(1),
  };
}

}  // namespace

Architecture efficientnet_architecture() {
  using C = EfficientNetConfig;
  auto a = architecture<C, validate, forward>(
      "efficientnet",
      "EfficientNet, MobileNet V1 to V4 and their kin: timm's efficientnet and mobilenetv3 "
      "modules.");
  a.aliases = {"mobilenetv3"};
  a.fields = all_fields(conv_image_fields<C>(), efficientnet_fields());
  return a;
}

}  // namespace vitals
