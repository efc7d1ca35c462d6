#include "models/vision/twins.h"

#include "models/vision/conv_parts.h"
#include "models/vision/image_fields.h"
#include "models/vision/reduced_attention.h"

#include <cmath>
#include <numeric>

namespace vitals {
namespace {

constexpr double kTwinsEps = 1e-6;

void validate(const TwinsConfig& c) {
  const auto stages = c.depths.size();
  auto matches = [&](std::string_view name, std::size_t size) {
    if (size != stages) fail("/{}: {} entries for {} stages", name, size, stages);
  };
  matches("embed_dims", c.embed_dims.size());
  matches("num_heads", c.num_heads.size());
  matches("mlp_ratios", c.mlp_ratios.size());
  matches("sr_ratios", c.sr_ratios.size());
  if (!c.wss.empty()) matches("wss", c.wss.size());
  for (std::size_t i = 0; i < stages; ++i)
    if (c.embed_dims[i] % c.num_heads[i] != 0)
      fail("/num_heads/{}: {} heads do not divide {} features", i, c.num_heads[i], c.embed_dims[i]);
  auto side = c.patch_size;
  for (std::size_t i = 1; i < stages; ++i) side *= 2;
  if (c.img_size.height % side != 0 || c.img_size.width % side != 0)
    fail("/img_size: {} x {} is no multiple of {}, which {} stages of patches need",
         c.img_size.height, c.img_size.width, side, stages);
}

// Attention within windows of ws x ws patches; the grid is padded to whole windows.
Tensor grouped_windows(Builder& b, Tensor x, const Size2& grid, std::uint64_t ws,
                       std::uint64_t heads, const TwinsConfig& c) {
  return b.call("attn", attention_type("LocallyGroupedAttn", heads, heads), {x}, [&] {
    const auto dim = x.dim(2);
    const auto rows = (grid.height + ws - 1) / ws;
    const auto columns = (grid.width + ws - 1) / ws;
    auto y = b.reshape(x, {x.dim(0), grid.height, grid.width, dim});
    const bool padded = rows * ws > grid.height || columns * ws > grid.width;
    if (rows * ws > grid.height) y = pad_zeros(b, y, 1, 0, rows * ws - grid.height);
    if (columns * ws > grid.width) y = pad_zeros(b, y, 2, 0, columns * ws - grid.width);
    y = b.permute(b.reshape(y, {x.dim(0), rows, ws, columns, ws, dim}), {0, 1, 3, 2, 4, 5});
    const auto windows = b.reshape(y, {x.dim(0) * rows * columns, ws * ws, dim});
    const auto qkv = split_heads(b, linear(b, "qkv", windows, 3 * dim, Role::qkv), heads);
    AttentionCore core;
    core.scale = 1.0 / std::sqrt(static_cast<double>(dim / heads));
    core.scale_query = true;
    core.attn_drop = c.attn_drop_rate;
    y = merge_heads(b, attention_core(b, qkv.q, qkv.k, qkv.v, core));
    y = b.permute(b.reshape(y, {x.dim(0), rows, columns, ws, ws, dim}), {0, 1, 3, 2, 4, 5});
    y = b.reshape(y, {x.dim(0), rows * ws, columns * ws, dim});
    if (padded) y = b.contiguous(b.slice(b.slice(y, 1, 0, grid.height), 2, 0, grid.width));
    y = linear(b, "proj", b.reshape(y, x.shape()), dim, Role::attention_output);
    return dropout(b, "proj_drop", y, c.proj_drop_rate);
  });
}

Tensor twins_block(Builder& b, Tensor x, const Size2& grid, std::size_t stage, std::uint64_t index,
                   double rate, const TwinsConfig& c) {
  const NormOptions norm_options{.eps = kTwinsEps};
  const auto normed = norm(b, "norm1", x, norm_options);
  // Every second block of SVT sees all patches, on a coarser grid.
  const bool windows = !c.wss.empty() && index % 2 == 0 && c.wss[stage] > 1;
  const ReducedAttention reduced{.heads = c.num_heads[stage],
                                 .sr_ratio = c.sr_ratios[stage],
                                 .norm = {.eps = 1e-5},
                                 .attn_drop = c.attn_drop_rate,
                                 .proj_drop = c.proj_drop_rate};
  const auto seen = windows ? grouped_windows(b, normed, grid, c.wss[stage], c.num_heads[stage], c)
                            : reduced_attention(b, normed, grid, reduced);
  x = x + drop_path(b, "drop_path1", seen, rate);
  MlpOptions options;
  options.hidden = hidden_features(c.embed_dims[stage], c.mlp_ratios[stage]);
  options.drop = c.proj_drop_rate;
  const auto mixed = mlp(b, "mlp", norm(b, "norm2", x, norm_options), options);
  return x + drop_path(b, "drop_path2", mixed, rate);
}

// Positions by a depthwise convolution beside the patches (arXiv:2102.10882).
Tensor positions_by_convolution(Builder& b, std::size_t stage, Tensor x, const Size2& grid) {
  return b.call(fmt::format("pos_block.{}", stage), "PosConv", {x}, [&] {
    const auto map = as_map(b, x, grid);
    const auto y = b.call("proj", kSequential, {map}, [&] {
      return conv2d(b, "0", map, x.dim(2),
                    {.kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}, .groups = x.dim(2)});
    });
    return as_patches(b, y + map);
  });
}

Tensors forward(Builder& b, const TwinsConfig& c) {
  b.graph().modules[0].type = "Twins";
  const auto all = std::accumulate(c.depths.begin(), c.depths.end(), std::uint64_t{0});
  auto map = conv_image(b, c.img_size, c.in_chans);
  std::uint64_t layer = 0;
  std::optional<Tensor> patches;
  for (std::size_t i = 0; i < c.depths.size(); ++i) {
    const auto side = i == 0 ? c.patch_size : 2;
    Size2 grid;
    auto x = b.call(fmt::format("patch_embeds.{}", i), "PatchEmbed", {map}, [&] {
      const auto y = conv2d(b, "proj", map, c.embed_dims[i],
                            {.kernel = {side, side},
                             .stride = {side, side},
                             .role = i == 0 ? Role::patch_embedding : Role::convolution});
      grid = {y.dim(2), y.dim(3)};
      return norm(b, "norm", as_patches(b, y), NormOptions{.eps = 1e-5});
    });
    if (i == 0) b.graph().num_tokens = x.dim(1);
    x = dropout(b, fmt::format("pos_drops.{}", i), x, c.pos_drop_rate);
    for (std::uint64_t j = 0; j < c.depths[i]; ++j) {
      const auto rate = drop_path_rate_at(c.drop_path_rate, layer, all);
      x = b.call(fmt::format("blocks.{}.{}", i, j), layer_type("Block", layer++), {x},
                 [&] { return twins_block(b, x, grid, i, j, rate, c); });
      if (j == 0) x = positions_by_convolution(b, i, x, grid);
    }
    patches = x;
    if (i + 1 < c.depths.size()) map = b.contiguous(as_map(b, x, grid));
  }
  auto x = norm(b, "norm", *patches, NormOptions{.eps = kTwinsEps});
  x = dropout(b, "head_drop", b.mean(x, 1), c.drop_rate);
  return {c.num_classes > 0 ? linear(b, "head", x, c.num_classes, Role::classifier) : x};
}

std::vector<Field> twins_fields() {
  using C = TwinsConfig;
  return {
      field<&C::embed_dims>("embed_dims", "Width of each stage.").between(1, kMaxWidth),
      field<&C::num_heads>("num_heads", "Attention heads of each stage.").between(1, kMaxWidth),
      field<&C::mlp_ratios>("mlp_ratios", "Hidden features of the MLP over the width, by stage.")
          .above(0)
          .at_most(1e4),
      field<&C::depths>("depths", "Blocks of each stage.").between(1, kMaxDepth),
      field<&C::sr_ratios>("sr_ratios",
                           "How many times coarser the grid of keys and values is, by stage.")
          .between(1, kMaxSide),
      field<&C::wss>("wss", "Side of the windows of every second block, by stage; null: none.")
          .between(1, kMaxSide)
          .or_null(),
  };
}

}  // namespace

Architecture twins_architecture() {
  using C = TwinsConfig;
  auto a =
      architecture<C, validate, forward>("twins", "Twins: timm's twins module (arXiv:2104.13840).");
  a.fields = all_fields(image_fields<C>(), twins_fields(), drop_fields<C>());
  return a;
}

}  // namespace vitals
