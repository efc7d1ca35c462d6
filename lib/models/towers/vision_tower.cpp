#include "models/towers/vision_tower.h"

#include "core/divisors.h"
#include "core/error.h"
#include "models/layers/activation_names.h"
#include "models/layers/stack_layer.h"
#include "models/towers/vision_tower_names.h"

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

NormOptions options_of(const LayerSpec& layer) {
  return {.rms = layer.kind == "RmsNorm", .eps = layer.eps.value_or(1e-6)};
}

Size2 grid_of(const VisionTowerConfig& c) {
  return {c.img_size.height / c.patch_size, c.img_size.width / c.patch_size};
}

bool among(const std::vector<std::uint64_t>& list, std::uint64_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// How many patches each window has, in the order in which the patches are laid out: windows cover
// the grid, those at its border are smaller (arXiv:2502.13923, section 2.1.1).
std::vector<std::uint64_t> windows_of(const VisionTowerConfig& c) {
  const auto grid = grid_of(c);
  const auto side = c.window_size / c.patch_size / c.merge_size * c.merge_size;
  std::vector<std::uint64_t> lengths;
  if (c.window_size == 0) return lengths;
  for (std::uint64_t y = 0; y < grid.height; y += side)
    for (std::uint64_t x = 0; x < grid.width; x += side)
      lengths.push_back(std::min(side, grid.height - y) * std::min(side, grid.width - x));
  return lengths;
}

StackLayer tower_layer(const VisionTowerConfig& c, const VisionTowerNames& n) {
  StackLayer o;
  o.names = n.layer;
  if (!c.layer_scale) o.names.attn_scale = o.names.mlp_scale = "";
  o.num_heads = c.num_attention_heads;
  o.head_dim = c.hidden_size / c.num_attention_heads;
  o.hidden = c.intermediate_size;
  o.norm = options_of(c.norm_layer);
  if (c.qk_norm) o.qk_norm = o.norm;
  o.pre_norm = true;
  o.scale = 1.0 / std::sqrt(static_cast<double>(o.head_dim));
  o.qkv_bias = c.attention_bias;
  o.out_bias = c.attention_out_bias;
  o.mlp_bias = c.mlp_bias;
  o.mlp = c.mlp_gated ? StackMlp::gated : StackMlp::plain;
  o.act = activation_kind(c.hidden_act);
  return o;
}

// A convolution whose kernel is its stride, over the frames of a patch, too, where it has several.
Tensor tower_patches(Builder& b, Tensor image, const VisionTowerConfig& c,
                     const VisionTowerNames& n) {
  const auto grid = grid_of(c);
  const Size2 patch{c.patch_size, c.patch_size};
  auto x = image;
  if (c.temporal_patch_size == 1) {
    x = conv2d(
        b, n.patch, image, c.hidden_size,
        {.kernel = patch, .stride = patch, .bias = c.patch_bias, .role = Role::patch_embedding});
  } else {
    x = b.call(n.patch, {"Conv3d", Role::patch_embedding}, {image}, [&] {
      const auto p = static_cast<std::uint32_t>(c.patch_size);
      const auto t = static_cast<std::uint32_t>(c.temporal_patch_size);
      const auto weight =
          b.param("weight", {c.hidden_size, c.in_chans, t, c.patch_size, c.patch_size});
      const auto bias = c.patch_bias ? b.param("bias", {c.hidden_size}) : kNone;
      op::Conv conv;
      conv.in = c.in_chans;
      conv.out = c.hidden_size;
      conv.kernel = {t, p, p};
      conv.stride = {t, p, p};
      conv.bias = c.patch_bias;
      conv.spatial_dims = 3;
      return b.add(conv, {image}, weight, bias);
    });
  }
  const auto flat = b.reshape(x, {x.dim(0), c.hidden_size, grid.height * grid.width});
  return b.transpose(flat, 1, 2);
}

Tensor tower_positions(Builder& b, std::uint64_t count, const VisionTowerConfig& c,
                       const VisionTowerNames& n) {
  if (n.position_module) {
    const auto ids = b.constant({1, count}, DType::i64);
    return embedding(b, n.positions, ids, c.num_positions, c.hidden_size, Role::position_embedding);
  }
  const auto table =
      b.parameter(n.positions, {1, c.num_positions, c.hidden_size}, Role::position_embedding);
  if (count == c.num_positions) return table;
  return b.constant({1, count, c.hidden_size});  // resized for an image of another size
}

Tensor tower_embeddings(Builder& b, Tensor image, const VisionTowerConfig& c,
                        const VisionTowerNames& n) {
  return named_call(b, n.embeddings, "Embeddings", {image}, [&] {
    auto x = tower_patches(b, image, c, n);
    if (c.class_token) {
      const auto width = c.hidden_size;
      const auto token =
          n.position_module
              ? b.reshape(b.parameter(n.class_token, {width}, Role::token), {1, 1, width})
              : b.parameter(n.class_token, {1, 1, width}, Role::token);
      x = b.concat({b.expand(token, {x.dim(0), 1, width}), x}, 1);
    }
    if (c.num_positions == 0) return x;
    const auto places = tower_positions(b, x.dim(1), c, n);
    return x + places;
  });
}

// Squares of merge_size x merge_size patches become one token each: their features in a row, or
// their mean.
Tensor merged(Builder& b, Tensor x, const VisionTowerConfig& c) {
  const auto m = c.merge_size;
  if (m == 1) return x;
  const auto grid = grid_of(c);
  const auto h = grid.height / m;
  const auto w = grid.width / m;
  const auto width = x.dim(2);
  const auto kept = b.slice(b.reshape(x, {x.dim(0), grid.height, grid.width, width}), 1, 0, h * m);
  const auto square = b.slice(kept, 2, 0, w * m);
  const auto split = b.reshape(square, {x.dim(0), h, m, w, m * width});
  const auto rows = b.permute(split, {0, 1, 3, 2, 4});
  if (c.merge == "concat") return b.reshape(rows, {x.dim(0), h * w, m * m * width});
  return b.mean(b.reshape(rows, {x.dim(0), h * w, m * m, width}), 2);
}

// One or two layers to the text's width.
Tensor projected_tokens(Builder& b, Tensor x, const VisionTowerConfig& c, std::uint64_t out) {
  const auto& n = projector_names(c.projector);
  if (n.stored_transposed) {
    const auto weight = b.parameter(n.first, {x.dim(-1), out}, Role::projection);
    return b.matmul(x, weight);
  }
  if (!c.projector_hidden) return linear(b, n.first, x, out, Role::projection, c.projector_bias);
  auto y = linear(b, n.first, x, *c.projector_hidden, Role::projection, c.projector_bias);
  y = activation(b, n.act, y, activation_kind(c.projector_act));
  return linear(b, n.second, y, out, Role::projection, c.projector_bias);
}

// A projector under its path; `norm_place` is where its norm stands.
Tensor projector(Builder& b, std::string_view path, Tensor x, const VisionTowerConfig& c,
                 std::string_view norm_place, std::uint64_t out) {
  const auto& n = projector_names(c.projector);
  return named_call(b, path, "Projector", {x}, [&] {
    auto y = x;
    if (norm_place == "token") y = norm(b, n.norm, y, options_of(c.projector_norm_layer));
    y = merged(b, y, c);
    if (norm_place == "merged") y = norm(b, n.norm, y, options_of(c.projector_norm_layer));
    if (c.merging_layer) y = linear(b, n.merging, y, c.hidden_size, Role::projection, false);
    y = projected_tokens(b, y, c, out);
    return norm_place == "projected" ? norm(b, n.norm, y, options_of(c.projector_norm_layer)) : y;
  });
}

struct TowerOutput {
  Tensor patches;
  Tensors deep;  // projected, behind the layers that deepstack_layers names
};

TowerOutput tower_layers(Builder& b, Tensor x, const VisionTowerConfig& c,
                         const VisionTowerNames& n, std::uint64_t out) {
  StackContext context;
  const auto layer = tower_layer(c, n);
  if (c.rotary) context.rope = b.constant({x.dim(1), 2 * layer.head_dim});
  const auto windows = windows_of(c);
  TowerOutput result{x, {}};
  for (std::uint64_t i = 0; i < c.num_hidden_layers; ++i) {
    context.windows = among(c.full_attention_layers, i) ? std::vector<std::uint64_t>() : windows;
    const auto before = result.patches;
    result.patches = b.within(n.layers, kModuleList, [&] {
      return b.layer(i, "EncoderLayer", {before},
                     [&] { return stack_layer(b, before, layer, context); });
    });
    if (!among(c.deepstack_layers, i)) continue;
    const auto& names = projector_names(c.projector);
    const auto patches = result.patches;
    const auto tokens = b.within(names.deepstack, kModuleList, [&] {
      return projector(b, std::to_string(result.deep.size()), patches, c, "merged", out);
    });
    result.deep.push_back(tokens);
  }
  return result;
}

Tensor tower_input(Builder& b, const VisionTowerConfig& c) {
  const auto batch = b.options().batch;
  if (c.temporal_patch_size == 1)
    return b.input({batch, c.in_chans, c.img_size.height, c.img_size.width});
  return b.input({batch, c.in_chans, c.temporal_patch_size, c.img_size.height, c.img_size.width});
}

}  // namespace

std::uint64_t image_token_count(const VisionTowerConfig& c) {
  const auto grid = grid_of(c);
  const auto prefix = c.class_token && c.keep_class_token ? 1U : 0U;
  return prefix + (grid.height / c.merge_size) * (grid.width / c.merge_size);
}

void validate(const VisionTowerConfig& c) {
  if (c.hidden_size % c.num_attention_heads != 0)
    fail("/hidden_size: {} is not divisible by num_attention_heads {}; {} heads divide it",
         c.hidden_size, c.num_attention_heads,
         nearest_divisors(c.hidden_size, c.num_attention_heads));
  const auto side = c.patch_size * c.merge_size;
  if (c.img_size.height < side || c.img_size.width < side)
    fail("/img_size: {} x {} is smaller than one token of the text, {} x {} pixels",
         c.img_size.height, c.img_size.width, side, side);
  if (c.window_size > 0 && c.window_size < side)
    fail("/window_size: {} pixels are fewer than those of one token, {}", c.window_size, side);
  if (c.rotary && c.hidden_size / c.num_attention_heads % 4 != 0)
    fail("/num_attention_heads: heads of {} features cannot be rotated by row and column",
         c.hidden_size / c.num_attention_heads);
  if (c.keep_class_token && c.merge_size > 1)
    fail("/keep_class_token: a class token has no place among merged patches");
  if (c.class_norm && !c.class_token) fail("/class_norm: there is no class token");
  if (!c.deepstack_layers.empty() && projector_names(c.projector).deepstack.empty())
    fail("/deepstack_layers: the projector '{}' has no further ones", c.projector);
  if (c.projector_norm != "none" && projector_names(c.projector).norm.empty())
    fail("/projector_norm: the projector '{}' has none", c.projector);
  if (c.merging_layer && projector_names(c.projector).merging.empty())
    fail("/merging_layer: the projector '{}' has none", c.projector);
}

ImageTokens image_tokens(Builder& b, const VisionTowerConfig& c, std::uint64_t text_width) {
  const auto& n = vision_tower_names(c.naming);
  const auto image = tower_input(b, c);
  // A projector whose path stands under the tower's is a part of it.
  const bool inside = c.projector_path.starts_with(c.path + ".");
  const auto within_tower = inside ? c.projector_path.substr(c.path.size() + 1) : std::string();
  ImageTokens result{image, {}};
  result.tokens = b.call(c.path, "VisionTower", {image}, [&] {
    auto y = named_call(b, n.base, "VisionModel", {image}, [&] {
      auto x = tower_embeddings(b, image, c, n);
      if (c.embedding_norm) x = norm(b, n.embedding_norm, x, options_of(c.norm_layer));
      auto output = tower_layers(b, x, c, n, text_width);
      result.deep = output.deep;
      if (c.class_norm) {
        (void)norm(b, n.final_norm, b.select(output.patches, 1, 0), options_of(c.norm_layer));
        return output.patches;
      }
      return c.final_norm ? norm(b, n.final_norm, output.patches, options_of(c.norm_layer))
                          : output.patches;
    });
    if (c.class_token && !c.keep_class_token) y = b.slice(y, 1, 1, y.dim(1) - 1);
    return inside ? projector(b, within_tower, y, c, c.projector_norm, text_width) : y;
  });
  if (c.newline_token) (void)b.param("image_newline", {text_width}, Role::token);
  const auto patches = result.tokens;
  if (!inside)
    result.tokens = projector(b, c.projector_path, patches, c, c.projector_norm, text_width);
  return result;
}

}  // namespace vitals
