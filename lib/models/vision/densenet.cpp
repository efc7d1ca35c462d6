#include "models/vision/densenet.h"

#include "models/vision/conv_parts.h"
#include "models/vision/image.h"

namespace vitals {
namespace {

void validate(const DenseNetConfig& c) {
  if (c.block_config.empty())
    fail("/block_config: no block; expected layers of each block, like [6, 12, 24, 16]");
}

Tensor stem(Builder& b, Tensor image, const DenseNetConfig& c) {
  const auto width = 2 * c.growth_rate;
  auto normed = [&](std::string_view name, Tensor x) {
    return batch_norm_act(b, name, x, c.act_layer);
  };
  auto x = image;
  if (c.stem_type.empty()) {
    x = normed("norm0", square_conv(b, "conv0", x, width, {.kernel = 7, .stride = 2}));
  } else {
    x = normed("norm0", square_conv(b, "conv0", x, c.growth_rate, {.kernel = 3, .stride = 2}));
    x = normed("norm1", square_conv(b, "conv1", x, c.growth_rate, {.kernel = 3}));
    x = normed("norm2", square_conv(b, "conv2", x, width, {.kernel = 3}));
  }
  if (c.aa_layer.empty())
    return square_pool(b, "pool0", x, {.kernel = 3, .stride = 2, .padding = 1});
  return b.call("pool0", kSequential, {x}, [&] {
    const auto y = square_pool(b, "0", x, {.kernel = 3, .stride = 1, .padding = 1});
    return blur_pool(b, "1", y, 2);
  });
}

// Every layer reads what the stem and all layers before it have made.
Tensor dense_block(Builder& b, Tensor x, std::uint64_t layers, const DenseNetConfig& c) {
  Tensors features{x};
  for (std::uint64_t i = 0; i < layers; ++i)
    features.push_back(
        b.call("denselayer" + std::to_string(i + 1), layer_type("DenseLayer", i), features, [&] {
          auto y = features.size() == 1 ? x : b.concat(features, 1);
          y = batch_norm_act(b, "norm1", y, c.act_layer);
          y = square_conv(b, "conv1", y, c.bn_size * c.growth_rate, {});
          y = batch_norm_act(b, "norm2", y, c.act_layer);
          return square_conv(b, "conv2", y, c.growth_rate, {.kernel = 3});
        }));
  return b.concat(features, 1);
}

Tensor transition(Builder& b, Tensor x, const DenseNetConfig& c) {
  const auto y = batch_norm_act(b, "norm", x, c.act_layer);
  return square_pool(b, "pool", square_conv(b, "conv", y, x.dim(1) / 2, {}),
                     {.kind = op::PoolKind::avg});
}

Tensors forward(Builder& b, const DenseNetConfig& c) {
  b.graph().modules[0].type = "DenseNet";
  const auto image = conv_image(b, c.img_size, c.in_chans);
  const auto x = b.call("features", kSequential, {image}, [&] {
    auto y = stem(b, image, c);
    for (std::size_t i = 0; i < c.block_config.size(); ++i) {
      const auto number = std::to_string(i + 1);
      y = b.call("denseblock" + number, "DenseBlock", {y},
                 [&] { return dense_block(b, y, c.block_config[i], c); });
      if (i + 1 < c.block_config.size())
        y = b.call("transition" + number, "DenseTransition", {y},
                   [&] { return transition(b, y, c); });
    }
    return batch_norm_act(b, "norm5", y, c.act_layer);
  });
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  const auto pooled = pool_image(b, "global_pool", x, c.global_pool);
  return {pooled_classifier(b, "classifier", pooled, c.num_classes, c.drop_rate)};
}

}  // namespace

Architecture densenet_architecture() {
  using C = DenseNetConfig;
  auto a = architecture<C, validate, forward>("densenet", "DenseNet: timm's densenet module.");
  std::vector<Field> own = {
      field<&C::growth_rate>("growth_rate", "Channels that each layer adds.").between(1, kMaxWidth),
      field<&C::block_config>("block_config", "Layers of each block.").at_most(kMaxDepth),
      field<&C::bn_size>("bn_size", "Width inside a layer as a multiple of growth_rate.")
          .between(1, 1e4),
      field<&C::stem_type>("stem_type", "Stem: one 7x7 convolution (''), or three 3x3.")
          .one_of({"", "deep"}),
      field<&C::aa_layer>("aa_layer", "What smooths the stem's pool.").one_of({"", "blur"}),
  };
  a.fields = all_fields(conv_image_fields<C>(), std::move(own));
  return a;
}

}  // namespace vitals
