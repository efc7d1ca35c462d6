#include "models/vision/pit.h"

#include "models/vision/conv_parts.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"
#include "models/vision/reduced_attention.h"
#include "models/vision/vit_blocks.h"

#include <cmath>

namespace vitals {
namespace {

const LayerSpec kPitNorm{"LayerNorm", 1e-6, {}, {}, {}};

void validate(const PitConfig& c) {
  if (c.base_dims.size() != c.depth.size() || c.heads.size() != c.depth.size())
    fail("/depth: {} stages, but base_dims has {} and heads {}", c.depth.size(), c.base_dims.size(),
         c.heads.size());
  if (c.img_size.height < c.patch_size || c.img_size.width < c.patch_size)
    fail("/img_size: smaller than a patch of {0} x {0} pixels", c.patch_size);
}

std::uint64_t width_of(const PitConfig& c, std::size_t stage) {
  return c.base_dims[stage] * c.heads[stage];
}

VitBlock pit_block(const PitConfig& c, std::size_t stage) {
  VitBlock o;
  o.num_heads = c.heads[stage];
  o.scale = 1.0 / std::sqrt(static_cast<double>(c.base_dims[stage]));
  o.norm = kPitNorm;
  o.mlp.hidden = hidden_features(width_of(c, stage), c.mlp_ratio);
  o.mlp.drop = c.proj_drop_rate;
  o.proj_drop = c.proj_drop_rate;
  o.attn_drop = c.attn_drop_rate;
  return o;
}

struct PitState {
  Tensor map;     // [B, C, h, w]
  Tensor tokens;  // [B, class tokens, C]
};

// Half the side, and as many features as the next stage has.
PitState pooled(Builder& b, const PitState& in, std::uint64_t out) {
  std::optional<PitState> result;
  (void)b.call("pool", "Pooling", {in.map, in.tokens}, [&] {
    const auto map =
        conv2d(b, "conv", in.map, out,
               {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .groups = in.map.dim(1)});
    const auto tokens = linear(b, "fc", in.tokens, out, Role::projection);
    result = PitState{map, tokens};
    return Tensors{map, tokens};
  });
  return *result;
}

PitState pit_stage(Builder& b, PitState in, std::size_t stage, std::uint64_t& layer,
                   const PitConfig& c) {
  std::uint64_t all = 0;
  for (const auto n : c.depth) all += n;
  std::optional<PitState> result;
  (void)b.call(fmt::format("transformers.{}", stage), "Transformer", {in.map, in.tokens}, [&] {
    if (stage > 0) in = pooled(b, in, width_of(c, stage));
    const Size2 grid{in.map.dim(2), in.map.dim(3)};
    const auto count = in.tokens.dim(1);
    const auto patches = as_patches(b, in.map);
    auto x = b.concat({in.tokens, patches}, 1);
    x = b.call("blocks", kSequential, {x}, [&] {
      auto y = x;
      for (std::uint64_t i = 0; i < c.depth[stage]; ++i) {
        auto o = pit_block(c, stage);
        o.index = layer;
        o.drop_path = drop_path_rate_at(c.drop_path_rate, layer, all);
        y = b.call(std::to_string(i), layer_type("Block", layer++), {y},
                   [&] { return vit_block(b, y, o); });
      }
      return y;
    });
    const auto tokens = b.slice(x, 1, 0, count);
    const auto map = as_map(b, b.slice(x, 1, count, x.dim(1) - count), grid);
    result = PitState{map, tokens};
    return Tensors{map, tokens};
  });
  return *result;
}

Tensors forward(Builder& b, const PitConfig& c) {
  b.graph().modules[0].type = "PoolingVisionTransformer";
  const auto image = conv_image(b, c.img_size, c.in_chans);
  const auto width = width_of(c, 0);
  auto map = b.call("patch_embed", "ConvEmbedding", {image}, [&] {
    return conv2d(b, "conv", image, width,
                  {.kernel = {c.patch_size, c.patch_size},
                   .stride = {c.stride, c.stride},
                   .role = Role::patch_embedding});
  });
  const auto places =
      b.parameter("pos_embed", {1, width, map.dim(2), map.dim(3)}, Role::position_embedding);
  map = dropout(b, "pos_drop", map + places, c.pos_drop_rate);
  const auto tokens = prefix_token(b, "cls_token", c.distilled ? 2 : 1, width);
  PitState state{map, tokens};
  b.graph().num_tokens = map.dim(2) * map.dim(3) + tokens.dim(1);
  std::uint64_t layer = 0;
  for (std::size_t i = 0; i < c.depth.size(); ++i) state = pit_stage(b, state, i, layer, c);
  const auto normed = norm(b, "norm", state.tokens, kPitNorm);
  const auto first = dropout(b, "head_drop", b.select(normed, 1, 0), c.drop_rate);
  const auto scores = classifier(b, "head", first, c.num_classes);
  if (!c.distilled) return {scores};
  const auto second = dropout(b, "head_drop", b.select(normed, 1, 1), c.drop_rate);
  const auto taught = classifier(b, "head_dist", second, c.num_classes);
  return {(scores + taught) * 0.5};
}

std::vector<Field> pit_fields() {
  using C = PitConfig;
  return {
      field<&C::stride>("stride", "How far patches are apart.").between(1, kMaxSide),
      field<&C::base_dims>("base_dims", "Features of a head, by stage.").between(1, kMaxWidth),
      field<&C::depth>("depth", "Blocks of each stage.").at_most(kMaxDepth),
      field<&C::heads>("heads", "Attention heads of each stage.").between(1, kMaxWidth),
      field<&C::mlp_ratio>("mlp_ratio", "Hidden features of the MLP as a multiple of the width.")
          .above(0)
          .at_most(1e4),
      field<&C::distilled>("distilled", "A second token learns from a teacher, as in DeiT."),
  };
}

}  // namespace

Architecture pit_architecture() {
  using C = PitConfig;
  auto a = architecture<C, validate, forward>("pit", "PiT: timm's pit module (arXiv:2103.16302).");
  a.fields = all_fields(image_fields<C>(), pit_fields(), drop_fields<C>());
  return a;
}

}  // namespace vitals
