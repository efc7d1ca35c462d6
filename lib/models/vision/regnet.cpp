#include "models/vision/regnet.h"

#include "models/vision/conv_parts.h"
#include "models/vision/image.h"

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

struct RegNetStage {
  std::uint64_t width = 0;
  std::uint64_t depth = 0;
  std::uint64_t group = 0;  // channels of a group
};

// Widths that grow in a straight line over the blocks, each taken to the nearest power of wm times
// w0, and then to a multiple of 8 (section 3.3 of the paper); equal ones are a stage. In 32 bits,
// as the original rounds.
std::vector<RegNetStage> stages_of(const RegNetConfig& c) {
  constexpr float kQuantum = 8;
  const auto first = static_cast<float>(c.w0);
  std::vector<RegNetStage> stages;
  for (std::uint64_t i = 0; i < c.depth; ++i) {
    const auto line = static_cast<float>(i) * static_cast<float>(c.wa) + first;
    const auto power = std::nearbyint(std::log(line / first) / static_cast<float>(std::log(c.wm)));
    const auto exact = first * std::pow(static_cast<float>(c.wm), power);
    const auto width = static_cast<std::uint64_t>(std::nearbyint(exact / kQuantum) * kQuantum);
    if (stages.empty() || stages.back().width != width) stages.push_back({width, 0, c.group_size});
    ++stages.back().depth;
  }
  for (auto& s : stages) {
    auto inner = static_cast<std::uint64_t>(static_cast<double>(s.width) * c.bottle_ratio);
    s.group = std::min(s.group, inner);
    if (s.group == 0) fail("/group_size: 0 is too small; at least 1");
    const auto group = static_cast<double>(s.group);
    inner = c.group_min_ratio > 0
                ? divisible(static_cast<double>(inner), s.group, c.group_min_ratio)
                : static_cast<std::uint64_t>(std::nearbyint(static_cast<double>(inner) / group) *
                                             group);
    s.width = static_cast<std::uint64_t>(static_cast<double>(inner) / c.bottle_ratio);
  }
  return stages;
}

void validate(const RegNetConfig& c) {
  if (c.w0 % 8 != 0) fail("/w0: {} is no multiple of 8, to which widths are rounded", c.w0);
  if (c.wm <= 1) fail("/wm: expected more than 1, got {}", c.wm);
  (void)stages_of(c);
}

// The way around a block, where it changes its width or the number of positions.
Tensor shortcut(Builder& b, Tensor x, std::uint64_t out, std::uint64_t stride,
                const RegNetConfig& c) {
  if (x.dim(1) == out && stride == 1) return x;
  if (c.downsample != "avg") {
    const SquareConv conv{.stride = stride};
    return c.preact ? square_conv(b, "downsample", x, out, conv)
                    : conv_norm_act(b, "downsample", x, out, conv, "");
  }
  return b.call("downsample", kSequential, {x}, [&] {
    const auto y = stride == 1 ? identity(b, "0", x)
                               : square_pool(b, "0", x, {.kind = op::PoolKind::avg, .ceil = true});
    return c.preact ? square_conv(b, "1", y, out, {}) : conv_norm_act(b, "1", y, out, {}, "");
  });
}

Tensor excited(Builder& b, Tensor x, std::uint64_t in, const RegNetConfig& c) {
  const auto hidden =
      static_cast<std::uint64_t>(std::nearbyint(static_cast<double>(in) * c.se_ratio));
  if (hidden == 0) return x;
  return squeeze_excite(b, "se", x, {.hidden = hidden, .act = c.act_layer});
}

// 1x1, 3x3 in groups, squeeze and excitation, 1x1.
Tensor block(Builder& b, Tensor x, const RegNetStage& s, std::uint64_t stride,
             const RegNetConfig& c) {
  const auto inner =
      static_cast<std::uint64_t>(std::nearbyint(static_cast<double>(s.width) * c.bottle_ratio));
  const SquareConv middle{.kernel = 3, .stride = stride, .groups = inner / s.group};
  const bool changes = x.dim(1) != s.width || stride != 1;
  const bool around = !changes || !c.downsample.empty();
  if (c.preact) {
    const auto first = batch_norm_act(b, "norm1", x, c.act_layer);
    auto y = square_conv(b, "conv1", first, inner, {});
    y = square_conv(b, "conv2", batch_norm_act(b, "norm2", y, c.act_layer), inner, middle);
    y = batch_norm_act(b, "norm3", excited(b, y, x.dim(1), c), c.act_layer);
    y = square_conv(b, "conv3", y, s.width, {});
    return around ? y + shortcut(b, changes ? first : x, s.width, stride, c) : y;
  }
  auto y = conv_norm_act(b, "conv1", x, inner, {}, c.act_layer);
  y = conv_norm_act(b, "conv2", y, inner, middle, c.act_layer);
  y = conv_norm_act(b, "conv3", excited(b, y, x.dim(1), c), s.width, {}, "");
  if (around) y = y + shortcut(b, x, s.width, stride, c);
  return c.linear_out ? y : activation(b, "act3", y, c.act_layer);
}

Tensors forward(Builder& b, const RegNetConfig& c) {
  b.graph().modules[0].type = "RegNet";
  const auto image = conv_image(b, c.img_size, c.in_chans);
  const SquareConv half{.kernel = 3, .stride = 2};
  auto x = c.preact ? square_conv(b, "stem", image, c.stem_width, half)
                    : conv_norm_act(b, "stem", image, c.stem_width, half, c.act_layer);
  std::size_t index = 0;
  for (const auto& s : stages_of(c))
    x = b.call("s" + std::to_string(++index), "RegStage", {x}, [&] {
      auto y = x;
      for (std::uint64_t i = 0; i < s.depth; ++i)
        y = b.call("b" + std::to_string(i + 1), layer_type("Bottleneck", i), {y},
                   [&] { return block(b, y, s, i == 0 ? 2 : 1, c); });
      return y;
    });
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  if (c.num_features > 0)
    x = conv_norm_act(b, "final_conv", x, c.num_features, {}, c.act_layer);
  else if (c.linear_out || c.preact)
    x = activation(b, "final_conv", x, c.act_layer);
  return {b.call("head", "ClassifierHead", {x}, [&] {
    const auto pooled = pool_image(b, "global_pool", x, c.global_pool);
    return pooled_classifier(b, "fc", pooled, c.num_classes, c.drop_rate);
  })};
}

std::vector<Field> regnet_fields() {
  using C = RegNetConfig;
  return {
      field<&C::depth>("depth", "Number of blocks, of all stages.").between(1, kMaxDepth),
      field<&C::w0>("w0", "Width of the first block.").between(8, kMaxWidth),
      field<&C::wa>("wa", "Growth of the width from block to block.").at_most(kMaxWidth),
      field<&C::wm>("wm", "Factor from the width of a stage to that of the next.").at_most(1e4),
      field<&C::group_size>("group_size", "Channels of a group of the 3x3 convolutions.")
          .between(1, kMaxWidth),
      field<&C::bottle_ratio>("bottle_ratio", "Width inside a block as a multiple of its output.")
          .above(0)
          .at_most(1e4),
      field<&C::se_ratio>("se_ratio",
                          "Hidden share of a block's input in squeeze and excitation; 0: none.")
          .at_most(1e4),
      field<&C::group_min_ratio>("group_min_ratio",
                                 "Widths are rounded to groups as torchvision does, not below this "
                                 "share; 0: to the nearest.")
          .at_most(1),
      field<&C::stem_width>("stem_width", "Channels of the stem.").between(1, kMaxWidth),
      field<&C::downsample>("downsample", "The shortcut where a block changes sizes.")
          .one_of({"conv1x1", "avg", ""}),
      field<&C::linear_out>("linear_out", "No activation behind a block."),
      field<&C::preact>("preact", "Norms and activations before the convolutions."),
      field<&C::num_features>("num_features", "Channels of a last convolution; 0: none.")
          .at_most(kMaxWidth),
  };
}

}  // namespace

Architecture regnet_architecture() {
  using C = RegNetConfig;
  auto a =
      architecture<C, validate, forward>("regnet", "RegNet X, Y, Z and V: timm's regnet module.");
  a.fields = all_fields(conv_image_fields<C>(), regnet_fields());
  return a;
}

}  // namespace vitals
