#include "models/vision/reduced_attention.h"

#include <cmath>

namespace vitals {
namespace {

constexpr std::uint32_t kPooledSide = 7;

// The patches that keys and values are made of.
Tensor reduced_patches(Builder& b, Tensor x, const Size2& grid, const ReducedAttention& o) {
  if (!o.pooled && o.sr_ratio <= 1) return x;
  auto y = as_map(b, x, grid);
  if (o.pooled) {
    const ModuleType type{"AdaptiveAvgPool2d", Role::none, TorchClass::adaptive_avg_pool2d};
    y = b.call("pool", type, {y}, [&] {
      op::AdaptivePool pool;
      pool.output = {kPooledSide, kPooledSide};
      return b.add(pool, {y});
    });
  }
  const auto kernel = o.pooled ? 1 : o.sr_ratio;
  y = conv2d(b, "sr", y, x.dim(2), {.kernel = {kernel, kernel}, .stride = {kernel, kernel}});
  y = norm(b, "norm", as_patches(b, y), o.norm);
  return o.pooled ? activation(b, "act", y, op::ActivationKind::gelu) : y;
}

}  // namespace

Tensor as_map(Builder& b, Tensor x, const Size2& grid) {
  return b.reshape(b.transpose(x, 1, 2), {x.dim(0), x.dim(2), grid.height, grid.width});
}

Tensor as_patches(Builder& b, Tensor x) {
  return b.transpose(b.reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}), 1, 2);
}

Tensor reduced_attention(Builder& b, Tensor x, const Size2& grid, const ReducedAttention& o) {
  return b.call("attn", attention_type("Attention", o.heads, o.heads), {x}, [&] {
    const auto dim = x.dim(2);
    const auto q = heads_of(b, linear(b, "q", x, dim, Role::query, o.qkv_bias), o.heads);
    const auto source = reduced_patches(b, x, grid, o);
    const auto kv = linear(b, "kv", source, 2 * dim, Role::key_value, o.qkv_bias);
    const auto k = heads_of(b, b.slice(kv, -1, 0, dim), o.heads);
    const auto v = heads_of(b, b.slice(kv, -1, dim, dim), o.heads);
    AttentionCore core;
    core.scale = 1.0 / std::sqrt(static_cast<double>(dim / o.heads));
    core.scale_query = true;
    core.attn_drop = o.attn_drop;
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    const auto out = linear(b, "proj", y, dim, Role::attention_output);
    return dropout(b, "proj_drop", out, o.proj_drop);
  });
}

}  // namespace vitals
