#include "models/vision/pvt_v2.h"

#include "models/vision/conv_parts.h"
#include "models/vision/image_fields.h"
#include "models/vision/reduced_attention.h"

#include <algorithm>
#include <numeric>

namespace vitals {
namespace {

struct PvtStage {
  std::uint64_t index;
  std::uint64_t dim;
  std::uint64_t heads;
  std::uint64_t sr_ratio;
  std::uint64_t hidden;
};

NormOptions norm_of(const PvtV2Config& c) { return {.eps = c.norm_eps}; }

void validate(const PvtV2Config& c) {
  const auto stages = c.depths.size();
  auto matches = [&](std::string_view name, std::size_t size) {
    if (size != stages) fail("/{}: {} entries for {} stages", name, size, stages);
  };
  matches("embed_dims", c.embed_dims.size());
  matches("num_heads", c.num_heads.size());
  matches("sr_ratios", c.sr_ratios.size());
  matches("mlp_ratios", c.mlp_ratios.size());
  matches("patch_sizes", c.patch_sizes.size());
  matches("strides", c.strides.size());
  for (std::size_t i = 0; i < stages; ++i) {
    if (c.num_heads[i] == 0 || c.embed_dims[i] % c.num_heads[i] != 0)
      fail("/num_heads/{}: {} heads do not divide {} features", i, c.num_heads[i], c.embed_dims[i]);
  }
  if (c.head == "segmentation" && c.num_classes == 0)
    fail("/num_classes: a map of segments needs classes");
}

ReducedAttention attention_of(const PvtStage& s, const PvtV2Config& c) {
  return {.heads = s.heads,
          .sr_ratio = s.sr_ratio,
          .pooled = c.linear,
          .qkv_bias = c.qkv_bias,
          .norm = norm_of(c),
          .attn_drop = c.attn_drop_rate,
          .proj_drop = c.proj_drop_rate};
}

// An MLP with a depthwise convolution before its activation.
Tensor conv_mlp(Builder& b, Tensor x, const Size2& grid, const PvtStage& s, const PvtV2Config& c) {
  return b.call("mlp", {"MlpWithDepthwiseConv", Role::feed_forward}, {x}, [&] {
    auto y = as_map(b, linear(b, "fc1", x, s.hidden, Role::up), grid);
    if (c.linear) y = activation(b, "relu", y, op::ActivationKind::relu);
    y = conv2d(b, "dwconv", y, s.hidden,
               {.kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}, .groups = s.hidden});
    y = activation(b, "act", as_patches(b, y), op::ActivationKind::gelu);
    y = dropout(b, "drop", y, c.proj_drop_rate);
    return dropout(b, "drop", linear(b, "fc2", y, s.dim, Role::down), c.proj_drop_rate);
  });
}

Tensor pvt_block(Builder& b, Tensor x, const Size2& grid, const PvtStage& s, double rate,
                 const PvtV2Config& c) {
  const auto seen = reduced_attention(b, norm(b, "norm1", x, norm_of(c)), grid, attention_of(s, c));
  x = x + drop_path(b, "drop_path1", seen, rate);
  const auto mixed = conv_mlp(b, norm(b, "norm2", x, norm_of(c)), grid, s, c);
  return x + drop_path(b, "drop_path2", mixed, rate);
}

// Overlapping patches, normed: [B, h * w, C], and their grid.
Tensor overlapping_patches(Builder& b, std::string_view name, Tensor image, const PvtStage& s,
                           const PvtV2Config& c, Size2& grid) {
  return b.call(name, "OverlapPatchEmbed", {image}, [&] {
    const auto kernel = c.patch_sizes[s.index];
    const auto stride = c.strides[s.index];
    const auto x = conv2d(b, "proj", image, s.dim,
                          {.kernel = {kernel, kernel},
                           .stride = {stride, stride},
                           .padding = {kernel / 2, kernel / 2},
                           .role = s.index == 0 ? Role::patch_embedding : Role::convolution});
    grid = {x.dim(2), x.dim(3)};
    return norm(b, "norm", as_patches(b, x), norm_of(c));
  });
}

PvtStage stage_of(const PvtV2Config& c, std::uint64_t i) {
  return {i, c.embed_dims[i], c.num_heads[i], c.sr_ratios[i],
          hidden_features(c.embed_dims[i], c.mlp_ratios[i])};
}

// [B, C, h, w] of a stage, from the image or the one before.
Tensor pvt_stage(Builder& b, Tensor image, std::uint64_t index, std::uint64_t& layer,
                 const PvtV2Config& c) {
  const auto s = stage_of(c, index);
  const auto all = std::accumulate(c.depths.begin(), c.depths.end(), std::uint64_t{0});
  Size2 grid;
  std::optional<Tensor> patches;
  if (index == 0) patches = overlapping_patches(b, "patch_embed", image, s, c, grid);
  const auto source = patches ? *patches : image;
  return b.call(fmt::format("stages.{}", index), "PyramidVisionTransformerStage", {source}, [&] {
    auto x = patches ? *patches : overlapping_patches(b, "downsample", image, s, c, grid);
    x = b.within("blocks", kModuleList, [&] {
      auto y = x;
      for (std::uint64_t i = 0; i < c.depths[index]; ++i) {
        const auto rate = drop_path_rate_at(c.drop_path_rate, layer++, all);
        y = b.call(std::to_string(i), layer_type("Block", layer - 1), {y},
                   [&] { return pvt_block(b, y, grid, s, rate, c); });
      }
      return y;
    });
    return b.contiguous(as_map(b, norm(b, "norm", x, norm_of(c)), grid));
  });
}

// All stages in one width and at the first one's size, joined and classified position by position.
Tensor segments(Builder& b, const Tensors& stages, const PvtV2Config& c) {
  return b.call("decode_head", "SegmentationHead", stages, [&] {
    const auto width = c.decoder_hidden_size;
    const Size2 grid{stages.front().dim(2), stages.front().dim(3)};
    Tensors joined;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const auto& x = stages[i];
      const auto name = fmt::format("linear_c.{}.proj", i);
      const auto y = linear(b, name, as_patches(b, x), width, Role::projection);
      const auto map = as_map(b, y, {x.dim(2), x.dim(3)});
      const op::Resize resize{op::ResizeKind::linear, {x.dim(0), width, grid.height, grid.width}};
      joined.push_back(b.add(resize, {map}));
    }
    std::reverse(joined.begin(), joined.end());
    auto x = conv1x1(b, "linear_fuse", b.concat(joined, 1), width, Role::projection, false);
    x = activation(b, "activation", batch_norm(b, "batch_norm", x), op::ActivationKind::relu);
    x = dropout(b, "dropout", x, c.drop_rate);
    return conv1x1(b, "classifier", x, c.num_classes, Role::classifier);
  });
}

Tensors forward(Builder& b, const PvtV2Config& c) {
  b.graph().modules[0].type = "PyramidVisionTransformerV2";
  auto x = conv_image(b, c.img_size, c.in_chans);
  Tensors stages;
  std::uint64_t layer = 0;
  for (std::uint64_t i = 0; i < c.depths.size(); ++i) {
    x = pvt_stage(b, x, i, layer, c);
    stages.push_back(x);
  }
  b.graph().num_tokens = stages.front().dim(2) * stages.front().dim(3);
  if (c.head == "segmentation") return {segments(b, stages, c)};
  if (c.head == "none") return {x};
  if (c.global_pool == "avg") x = b.mean(b.mean(x, 3), 2);
  x = dropout(b, "head_drop", x, c.drop_rate);
  return {c.num_classes > 0 ? linear(b, "head", x, c.num_classes, Role::classifier) : x};
}

std::vector<Field> pvt_fields() {
  using C = PvtV2Config;
  return {
      field<&C::img_size>("img_size", "Image height and width in pixels.").between(1, kMaxSide),
      field<&C::in_chans>("in_chans", "Image channels.").between(1, kMaxWidth),
      field<&C::num_classes>("num_classes", "Classes of the head; 0: no head.").at_most(1e9),
      field<&C::global_pool>("global_pool", "How positions become one vector.").one_of({"avg"}),
      field<&C::depths>("depths", "Blocks of each stage.").at_most(kMaxDepth),
      field<&C::embed_dims>("embed_dims", "Width of each stage.").between(1, kMaxWidth),
      field<&C::num_heads>("num_heads", "Attention heads of each stage.").between(1, kMaxWidth),
      field<&C::sr_ratios>("sr_ratios",
                           "How many times coarser the grid of keys and values is, by stage.")
          .between(1, kMaxSide),
      field<&C::mlp_ratios>("mlp_ratios", "Hidden features of the MLP over the width, by stage.")
          .above(0)
          .at_most(1e4),
      field<&C::patch_sizes>("patch_sizes", "Side of the overlapping patches of each stage.")
          .between(1, kMaxSide),
      field<&C::strides>("strides", "And how far they are apart.").between(1, kMaxSide),
      field<&C::qkv_bias>("qkv_bias", "Bias of the query, key and value projections."),
      field<&C::linear>("linear", "Keys and values are pooled to a grid of 7 x 7."),
      field<&C::head>("head", "One class an image, one a position (SegFormer), or the last stage.")
          .one_of({"classification", "segmentation", "none"}),
      field<&C::decoder_hidden_size>("decoder_hidden_size", "Width of SegFormer's head.")
          .between(1, kMaxWidth),
      field<&C::norm_eps>("norm_eps", "Added to the variance of norms (no effect on counts).")
          .between(0, 1),
  };
}

}  // namespace

Architecture pvt_v2_architecture() {
  using C = PvtV2Config;
  auto a = architecture<C, validate, forward>(
      "pvt_v2", "Pyramid Vision Transformer v2: timm's pvt_v2 module; SegFormer.");
  a.fields = all_fields(pvt_fields(), drop_fields<C>());
  return a;
}

}  // namespace vitals
