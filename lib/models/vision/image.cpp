#include "models/vision/image.h"

#include "core/divisors.h"

#include <cmath>

namespace vitals {

Size2 ImagePatches::grid() const {
  return {img_size.height / patch_size.height, img_size.width / patch_size.width};
}

bool ImagePatches::filled() const {
  return img_size.height % patch_size.height == 0 && img_size.width % patch_size.width == 0;
}

void check_patches(const ImagePatches& image, bool pads) {
  const auto side = [&](std::string_view axis, std::uint64_t size, std::uint64_t patch) {
    if (size < patch)
      fail("/img_size: {} {} is smaller than the patch {} {}", axis, size, axis, patch);
    if (size % patch == 0 || image.dynamic_img_pad) return;
    fail("/img_size: {} {} is not divisible by the patch {} {}; the nearest sizes are {} and {}{}",
         axis, size, axis, patch, size / patch * patch, (size / patch + 1) * patch,
         pads ? " (or state dynamic_img_pad: false cuts the border off, true pads it, as timm does)"
              : "");
  };
  side("height", image.img_size.height, image.patch_size.height);
  side("width", image.img_size.width, image.patch_size.width);
  if (image.dynamic_img_pad.value_or(false) && !image.filled() && !image.dynamic_img_size)
    fail(
        "/dynamic_img_pad: padding adds patches that the position embedding does not have; set "
        "dynamic_img_size to true, so that it is resized");
}

void check_heads(std::uint64_t embed_dim, std::uint64_t num_heads) {
  if (embed_dim % num_heads != 0)
    fail("/embed_dim: {} is not divisible by num_heads {}; {} heads divide it", embed_dim,
         num_heads, nearest_divisors(embed_dim, num_heads));
}

Tensor image_input(Builder& b, const ImagePatches& image) {
  auto x =
      b.input({b.options().batch, image.in_chans, image.img_size.height, image.img_size.width});
  if (!image.dynamic_img_pad.value_or(false)) return x;
  const auto pad = [&](int axis, std::uint64_t patch) {
    const auto rest = x.dim(axis) % patch;
    if (rest > 0) x = pad_zeros(b, x, axis, 0, patch - rest);
  };
  pad(2, image.patch_size.height);
  pad(3, image.patch_size.width);
  return x;
}

Tensor prefix_token(Builder& b, std::string_view name, std::uint64_t count, std::uint64_t width) {
  return b.expand(b.parameter(name, {1, count, width}, Role::token),
                  {b.options().batch, count, width});
}

Tensor add_pos_embed(Builder& b, Tensor x, std::uint64_t positions) {
  const auto table = b.parameter("pos_embed", {1, positions, x.dim(-1)}, Role::position_embedding);
  return x + (x.dim(1) == positions ? table : b.constant({1, x.dim(1), x.dim(-1)}));
}

Tensor patch_dropout(Builder& b, Tensor x, std::uint64_t prefix, double rate) {
  return b.call("patch_drop", "PatchDropout", {x}, [&] {
    if (!b.options().training) return x;
    const auto length = static_cast<double>(x.dim(1) - prefix);
    const auto keep = static_cast<std::uint64_t>(std::max(1.0, length * (1 - rate)));
    const auto kept = b.contiguous(b.slice(x, 1, prefix, keep));
    return prefix > 0 ? b.concat({b.slice(x, 1, 0, prefix), kept}, 1) : kept;
  });
}

Tensor attention_pool(Builder& b, Tensor x, const AttentionPool& o) {
  return b.call(
      "attn_pool", attention_type("AttentionPoolLatent", o.num_heads, o.num_heads), {x}, [&] {
        const auto width = x.dim(-1);
        const auto head_dim = width / o.num_heads;
        const auto latent = prefix_token(b, "latent", 1, width);
        auto q = linear(b, "q", latent, width, Role::query);
        q = b.transpose(b.reshape(q, {x.dim(0), 1, o.num_heads, head_dim}), 1, 2);
        auto kv = linear(b, "kv", x, 2 * width, Role::key_value);
        kv = b.permute(b.reshape(kv, {x.dim(0), x.dim(1), 2, o.num_heads, head_dim}),
                       {2, 0, 3, 1, 4});
        const auto k = b.select(kv, 0, 0);
        const auto v = b.select(kv, 0, 1);
        auto y = attention_core(
            b, q, k, v,
            {.scale = 1.0 / std::sqrt(static_cast<double>(head_dim)), .scale_query = true});
        y = b.reshape(b.transpose(y, 1, 2), {x.dim(0), 1, width});
        y = dropout(b, "proj_drop", linear(b, "proj", y, width, Role::attention_output), 0.0);
        const MlpOptions options{.hidden = hidden_features(width, o.mlp_ratio), .act = o.act};
        y = y + mlp(b, "mlp", norm(b, "norm", y, o.norm), options);
        return b.select(y, 1, 0);
      });
}

bool averages(std::string_view global_pool) {
  return global_pool == "avg" || global_pool == "avgmax" || global_pool == "max";
}

Tensor pool_tokens(Builder& b, Tensor x, std::string_view global_pool, std::uint64_t prefix) {
  if (global_pool.empty()) return x;
  if (global_pool == "token") return b.select(x, 1, 0);
  if (prefix > 0) x = b.slice(x, 1, prefix, x.dim(1) - prefix);
  if (global_pool == "avg") return b.mean(x, 1);
  const auto max = b.add(op::Reduce{op::ReduceKind::max, 1}, {x});
  return global_pool == "max" ? max : (max + b.mean(x, 1)) * 0.5;
}

void note_plain_stack(Builder& b, std::uint64_t depth, std::uint64_t embed_dim,
                      std::uint64_t num_heads, double mlp_ratio) {
  if (mlp_ratio != 4.0) return;
  b.graph().plain_stack = PlainStack{depth, embed_dim, num_heads, b.graph().num_tokens, 0};
}

Tensor classifier(Builder& b, std::string_view name, Tensor x, std::uint64_t classes) {
  return classes > 0 ? linear(b, name, x, classes, Role::classifier) : identity(b, name, x);
}

LayerSpec norm_or_default(const LayerSpec& chosen, double eps) {
  LayerSpec layer = chosen;
  if (layer.kind.empty()) layer.kind = "LayerNorm";
  if (!layer.eps) layer.eps = eps;
  return layer;
}

}  // namespace vitals
