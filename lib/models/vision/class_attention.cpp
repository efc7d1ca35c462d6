#include "models/vision/class_attention.h"

#include <cmath>

namespace vitals {

Tensor class_attention(Builder& b, std::string_view name, Tensor x, std::uint64_t heads,
                       bool qkv_bias, double proj_drop, double attn_drop) {
  return b.call(name, attention_type("ClassAttn", heads, heads), {x}, [&] {
    const auto width = x.dim(-1);
    const auto token = b.slice(x, 1, 0, 1);
    auto q = linear(b, "q", token, width, Role::query, qkv_bias);
    q = heads_of(b, q, heads);
    auto k = linear(b, "k", x, width, Role::key, qkv_bias);
    k = heads_of(b, k, heads);
    auto v = linear(b, "v", x, width, Role::value, qkv_bias);
    v = heads_of(b, v, heads);
    const AttentionCore core{.scale = 1.0 / std::sqrt(static_cast<double>(width / heads)),
                             .scale_query = true,
                             .attn_drop = attn_drop};
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    return dropout(b, "proj_drop", linear(b, "proj", y, width, Role::attention_output), proj_drop);
  });
}

}  // namespace vitals
