#include "models/vision/resnet.h"

#include "models/vision/conv_parts.h"
#include "models/vision/image.h"

#include <numeric>

namespace vitals {
namespace {

bool deep_stem(const ResNetConfig& c) { return c.stem_type != ""; }
std::uint64_t expansion(const ResNetConfig& c) { return c.block == "basic" ? 1 : 4; }
std::uint64_t stem_channels(const ResNetConfig& c) { return deep_stem(c) ? 2 * c.stem_width : 64; }

void validate(const ResNetConfig& c) {
  if (c.layers.size() != c.channels.size())
    fail("/layers: {} stages, but channels has {}", c.layers.size(), c.channels.size());
  if (c.layers.empty()) fail("/layers: no stage; expected blocks of each stage, like [3, 4, 6, 3]");
  if (c.block == "basic" && c.scale != 1) fail("/scale: basic blocks have one scale");
  if (c.block == "basic" && (c.cardinality != 1 || c.base_width != 64))
    fail("/{}: basic blocks have neither groups nor a width of their own",
         c.cardinality != 1 ? "cardinality" : "base_width");
}

Tensor normed(Builder& b, std::string_view name, Tensor x, const ResNetConfig& c) {
  if (c.norm_layer != "groupnorm") return batch_norm(b, name, x);
  constexpr std::uint64_t kGroups = 32;
  if (x.dim(1) % kGroups != 0)
    fail("/norm_layer: {} groups do not divide {} channels", kGroups, x.dim(1));
  return group_norm(b, name, x, kGroups, 1e-5);
}

// Halves the image without aliasing.
Tensor anti_aliased(Builder& b, std::string_view name, Tensor x, const ResNetConfig& c) {
  return c.aa_layer == "avg" ? square_pool(b, name, x, {.kind = op::PoolKind::avg})
                             : blur_pool(b, name, x, 2);
}

Tensor stem_convs(Builder& b, Tensor image, const ResNetConfig& c) {
  if (!deep_stem(c))
    return square_conv(b, "conv1", image, stem_channels(c), {.kernel = 7, .stride = 2});
  const auto first = c.stem_type == "deep_tiered" ? 3 * (c.stem_width / 4) : c.stem_width;
  return b.call("conv1", kSequential, {image}, [&] {
    auto x = square_conv(b, "0", image, first, {.kernel = 3, .stride = 2});
    x = activation(b, "2", normed(b, "1", x, c), c.act_layer);
    x = square_conv(b, "3", x, c.stem_width, {.kernel = 3});
    x = activation(b, "5", normed(b, "4", x, c), c.act_layer);
    return square_conv(b, "6", x, stem_channels(c), {.kernel = 3});
  });
}

Tensor stem_pool(Builder& b, Tensor x, const ResNetConfig& c) {
  const bool aa = !c.aa_layer.empty();
  if (c.replace_stem_pool)
    return b.call("maxpool", kSequential, {x}, [&] {
      auto y = square_conv(b, "0", x, x.dim(1), {.kernel = 3, .stride = aa ? 1U : 2U});
      if (aa) y = anti_aliased(b, "1", y, c);
      y = normed(b, aa ? "2" : "1", y, c);
      return activation(b, aa ? "3" : "2", y, c.act_layer);
    });
  if (!aa) return square_pool(b, "maxpool", x, {.kernel = 3, .stride = 2, .padding = 1});
  if (c.aa_layer == "avg") return square_pool(b, "maxpool", x, {.kind = op::PoolKind::avg});
  return b.call("maxpool", kSequential, {x}, [&] {
    const auto y = square_pool(b, "0", x, {.kernel = 3, .stride = 1, .padding = 1});
    return blur_pool(b, "1", y, 2);
  });
}

Tensor shortcut(Builder& b, Tensor x, std::uint64_t out, std::uint64_t stride,
                const ResNetConfig& c) {
  return b.call("downsample", kSequential, {x}, [&] {
    if (!c.avg_down) {
      const auto kernel = stride == 1 ? 1 : c.down_kernel_size;
      return normed(b, "1", square_conv(b, "0", x, out, {.kernel = kernel, .stride = stride}), c);
    }
    const auto y = stride == 1 ? identity(b, "0", x)
                               : square_pool(b, "0", x, {.kind = op::PoolKind::avg, .ceil = true});
    return normed(b, "2", square_conv(b, "1", y, out, {}), c);
  });
}

// Res2Net's block (Gao et al. 2019, arXiv:1904.01169): shares of the channels, each convolved with
// what the one before has given; the last one is pooled, or passes.
Tensor scales(Builder& b, Tensor x, std::uint64_t planes, std::uint64_t width, std::uint64_t stride,
              const ResNetConfig& c) {
  const bool first = stride != 1 || x.dim(1) != 4 * planes;
  auto y = square_conv(b, "conv1", x, width * c.scale, {});
  y = activation(b, "relu", normed(b, "bn1", y, c), c.act_layer);
  const auto shares = b.split(y, 1, std::vector<std::uint64_t>(c.scale, width));
  Tensors outputs;
  for (std::uint64_t i = 0; i + 1 < c.scale; ++i) {
    const auto in = i == 0 || first ? shares[i] : outputs.back() + shares[i];
    const auto number = std::to_string(i);
    const SquareConv conv{.kernel = 3, .stride = stride, .groups = c.cardinality};
    const auto out = square_conv(b, "convs." + number, in, width, conv);
    outputs.push_back(activation(b, "relu", normed(b, "bns." + number, out, c), c.act_layer));
  }
  const SquarePool pool{.kind = op::PoolKind::avg, .kernel = 3, .stride = stride, .padding = 1};
  outputs.push_back(first ? square_pool(b, "pool", shares.back(), pool) : shares.back());
  return normed(b, "bn3", square_conv(b, "conv3", b.concat(outputs, 1), 4 * planes, {}), c);
}

// Convolutions of a block: 3x3 and 3x3, or 1x1, 3x3 in groups and 1x1.
Tensor convolutions(Builder& b, Tensor x, std::uint64_t planes, std::uint64_t stride,
                    const ResNetConfig& c) {
  const bool aa = !c.aa_layer.empty() && stride == 2;
  const auto strided = aa ? 1 : stride;
  auto smooth = [&](Tensor y) { return aa ? anti_aliased(b, "aa", y, c) : y; };
  if (c.block == "basic") {
    auto y =
        square_conv(b, "conv1", x, planes / c.block_reduce_first, {.kernel = 3, .stride = strided});
    y = smooth(activation(b, "act1", normed(b, "bn1", y, c), c.act_layer));
    return normed(b, "bn2", square_conv(b, "conv2", y, planes, {.kernel = 3}), c);
  }
  const auto width = planes * c.base_width / 64 * c.cardinality;
  if (c.scale > 1) return scales(b, x, planes, width, stride, c);
  auto y = square_conv(b, "conv1", x, width / c.block_reduce_first, {});
  y = activation(b, "act1", normed(b, "bn1", y, c), c.act_layer);
  y = square_conv(b, "conv2", y, width, {.kernel = 3, .stride = strided, .groups = c.cardinality});
  y = smooth(activation(b, "act2", normed(b, "bn2", y, c), c.act_layer));
  return normed(b, "bn3", square_conv(b, "conv3", y, 4 * planes, {}), c);
}

Tensor attended(Builder& b, Tensor x, const ResNetConfig& c) {
  if (c.attn_layer == "eca") return channel_attention(b, "se", x);
  if (c.attn_layer != "se") return x;
  const auto hidden = divisible(static_cast<double>(x.dim(1)) * c.rd_ratio, 8, 0.0);
  return squeeze_excite(b, "se", x, {.hidden = hidden});
}

Tensor block(Builder& b, Tensor x, std::uint64_t planes, std::uint64_t stride, bool first,
             double drop_path_rate, const ResNetConfig& c) {
  const auto out = planes * expansion(c);
  auto y = attended(b, convolutions(b, x, planes, stride, c), c);
  if (drop_path_rate > 0) y = drop_path(b, "drop_path", y, drop_path_rate);
  if (first && (stride != 1 || x.dim(1) != out)) x = shortcut(b, x, out, stride, c);
  return activation(b, c.block == "basic" ? "act2" : "act3", y + x, c.act_layer);
}

Tensors forward(Builder& b, const ResNetConfig& c) {
  b.graph().modules[0].type = "ResNet";
  auto x = stem_convs(b, conv_image(b, c.img_size, c.in_chans), c);
  x = stem_pool(b, activation(b, "act1", normed(b, "bn1", x, c), c.act_layer), c);
  const auto all = std::accumulate(c.layers.begin(), c.layers.end(), std::uint64_t{0});
  std::uint64_t before = 0;
  for (std::size_t s = 0; s < c.layers.size(); ++s)
    x = b.call("layer" + std::to_string(s + 1), kSequential, {x}, [&] {
      auto y = x;
      for (std::uint64_t i = 0; i < c.layers[s]; ++i) {
        const auto rate = drop_path_rate_at(c.drop_path_rate, before++, all);
        const std::uint64_t stride = i == 0 && s > 0 ? 2 : 1;
        y = b.layer(i, c.block == "basic" ? "BasicBlock" : "Bottleneck", {y},
                    [&] { return block(b, y, c.channels[s], stride, i == 0, rate, c); });
      }
      return y;
    });
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  const auto pooled = pool_image(b, "global_pool", x, c.global_pool);
  return {pooled_classifier(b, "fc", pooled, c.num_classes, c.drop_rate)};
}

std::vector<Field> resnet_fields() {
  using C = ResNetConfig;
  return {
      field<&C::block>("block", "Block: two 3x3 convolutions (basic), or 1x1, 3x3, 1x1.")
          .one_of({"basic", "bottleneck"}),
      field<&C::layers>("layers", "Blocks of each stage.").at_most(kMaxDepth),
      field<&C::channels>("channels", "Width of each stage; bottlenecks put out four times that.")
          .between(1, kMaxWidth),
      field<&C::cardinality>("cardinality", "Groups of the 3x3 convolutions (ResNeXt).")
          .between(1, kMaxWidth),
      field<&C::base_width>("base_width", "Width of a group at 64 channels.").between(1, kMaxWidth),
      field<&C::scale>("scale", "Shares of the channels inside a block (Res2Net); 1: none.")
          .between(1, 1024),
      field<&C::stem_width>("stem_width", "Width of a deep stem's first convolutions.")
          .between(1, kMaxWidth),
      field<&C::stem_type>("stem_type", "Stem: one 7x7 convolution (''), or three 3x3.")
          .one_of({"", "deep", "deep_tiered"}),
      field<&C::replace_stem_pool>("replace_stem_pool",
                                   "A convolution of stride 2 instead of the max pool."),
      field<&C::block_reduce_first>("block_reduce_first",
                                    "Divisor of the width of a block's first convolution.")
          .between(1, kMaxWidth),
      field<&C::down_kernel_size>("down_kernel_size", "Side of the shortcut's convolution.")
          .between(1, kMaxSide),
      field<&C::avg_down>("avg_down", "An average pool before the shortcut's convolution."),
      field<&C::norm_layer>("norm_layer", "Norm of all layers.")
          .one_of({"batchnorm2d", "groupnorm"}),
      field<&C::aa_layer>("aa_layer", "What smooths before a stride.").one_of({"", "avg", "blur"}),
      field<&C::attn_layer>("attn_layer", "Attention over channels behind a block's convolutions.")
          .one_of({"", "se", "eca"}),
      field<&C::rd_ratio>("rd_ratio", "Hidden share of the channels in squeeze and excitation.")
          .above(0)
          .at_most(1e4),
      field<&C::drop_path_rate>("drop_path_rate",
                                "Stochastic depth of the last block; it grows linearly from 0.")
          .below(1),
  };
}

}  // namespace

Architecture resnet_architecture() {
  using C = ResNetConfig;
  auto a = architecture<C, validate, forward>(
      "resnet", "ResNet, ResNeXt, SE-ResNet and ResNet-D: timm's resnet module.");
  a.fields = all_fields(conv_image_fields<C>(), resnet_fields());
  return a;
}

}  // namespace vitals
