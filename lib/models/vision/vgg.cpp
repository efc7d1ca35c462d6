#include "models/vision/vgg.h"

#include "models/vision/conv_parts.h"
#include "models/vision/image.h"

namespace vitals {
namespace {

constexpr std::uint64_t kVggFeatures = 4096;  // of the two layers before the scores
constexpr std::uint64_t kVggKernel = 7;       // of the first of them

void validate(const VggConfig& c) {
  if (c.depths.empty() || c.depths.size() != c.widths.size())
    fail("/depths: {} stages, but widths has {}", c.depths.size(), c.widths.size());
}

Tensor convolutions(Builder& b, Tensor x, const VggConfig& c) {
  return b.call("features", kSequential, {x}, [&] {
    std::uint64_t index = 0;
    auto next = [&] { return std::to_string(index++); };
    auto y = x;
    for (std::size_t s = 0; s < c.depths.size(); ++s) {
      for (std::uint64_t i = 0; i < c.depths[s]; ++i) {
        y = square_conv(b, next(), y, c.widths[s], {.kernel = 3, .bias = true});
        if (c.batch_norm) y = batch_norm(b, next(), y);
        y = activation(b, next(), y, c.act_layer);
      }
      y = square_pool(b, next(), y, {});
    }
    return y;
  });
}

// Linear layers as convolutions, so that larger images give scores of several places.
Tensor hidden_layers(Builder& b, Tensor x, const VggConfig& c) {
  return b.call("pre_logits", "ConvMlp", {x}, [&] {
    auto y = x;
    if (x.dim(2) < kVggKernel || x.dim(3) < kVggKernel) {
      op::AdaptivePool pool;
      pool.output = {static_cast<std::uint32_t>(std::max(kVggKernel, x.dim(2))),
                     static_cast<std::uint32_t>(std::max(kVggKernel, x.dim(3))), 1};
      y = b.add(pool, {x});
    }
    const auto mid = static_cast<std::uint64_t>(static_cast<double>(kVggFeatures) * c.mlp_ratio);
    y = square_conv(b, "fc1", y, mid, {.kernel = kVggKernel, .bias = true, .padded = false});
    y = activation(b, "act1", y, c.act_layer);
    y = square_conv(b, "fc2", dropout(b, "drop", y, c.drop_rate), kVggFeatures, {.bias = true});
    return activation(b, "act2", y, c.act_layer);
  });
}

Tensors forward(Builder& b, const VggConfig& c) {
  b.graph().modules[0].type = "VGG";
  auto x = convolutions(b, conv_image(b, c.img_size, c.in_chans), c);
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  x = hidden_layers(b, x, c);
  return {b.call("head", "ClassifierHead", {x}, [&] {
    const auto pooled = pool_image(b, "global_pool", x, c.global_pool);
    return pooled_classifier(b, "fc", pooled, c.num_classes, c.drop_rate);
  })};
}

}  // namespace

Architecture vgg_architecture() {
  using C = VggConfig;
  auto a = architecture<C, validate, forward>("vgg", "VGG: timm's vgg module.");
  std::vector<Field> own = {
      field<&C::depths>("depths", "Convolutions of each stage; a max pool ends it.")
          .at_most(kMaxDepth),
      field<&C::widths>("widths", "Channels of each stage.").between(1, kMaxWidth),
      field<&C::batch_norm>("batch_norm", "A norm behind every convolution."),
      field<&C::mlp_ratio>("mlp_ratio", "Width of the first hidden layer over 4096.")
          .above(0)
          .at_most(1e3),
  };
  a.fields = all_fields(conv_image_fields<C>(), std::move(own));
  return a;
}

}  // namespace vitals
