#include "models/vision/swin_block.h"

#include "models/layers/relative_position.h"
#include "models/layers/tables.h"

#include <cmath>
#include <limits>

namespace vitals {
namespace {

// Windows that a grid is cut into, the last row and column padded.
Size2 windows_of(const Size2& grid, const Size2& window) {
  return {(grid.height + window.height - 1) / window.height,
          (grid.width + window.width - 1) / window.width};
}

// [B, H, W, C] -> [B * windows, window area, C]
Tensor cut_into_windows(Builder& b, Tensor x, const Size2& window, const Size2& windows) {
  const auto channels = x.dim(-1);
  x = b.reshape(x,
                {x.dim(0), windows.height, window.height, windows.width, window.width, channels});
  x = b.contiguous(b.permute(x, {0, 1, 3, 2, 4, 5}));
  return b.reshape(
      x, {x.dim(0) * windows.height * windows.width, window.height * window.width, channels});
}

// The way back.
Tensor join_windows(Builder& b, Tensor x, const Size2& window, const Size2& windows) {
  const auto channels = x.dim(-1);
  const auto batch = x.dim(0) / (windows.height * windows.width);
  x = b.reshape(x, {batch, windows.height, windows.width, window.height, window.width, channels});
  x = b.contiguous(b.permute(x, {0, 1, 3, 2, 4, 5}));
  return b.reshape(x,
                   {batch, windows.height * window.height, windows.width * window.width, channels});
}

// min(logit_scale, log(100)).exp(): the factor of every head.
Tensor cosine_scale(Builder& b, std::uint64_t heads) {
  auto scale = b.parameter("logit_scale", {heads, 1, 1}, Role::scale);
  const double most = std::log(100.0);
  scale = b.add(op::Unary{op::UnaryKind::clip, -std::numeric_limits<double>::infinity(), most},
                {scale});
  return b.activation(scale, op::UnaryKind::exp);
}

Tensor cosine_attention(Builder& b, Tensor x, std::optional<Tensor> mask, const SwinBlock& o) {
  return b.call("attn", attention_type("WindowAttention", o.num_heads, o.num_heads), {x}, [&] {
    const auto width = o.num_heads * o.head_dim;
    const auto [q, k, v] = split_heads(b, qkv_without_k_bias(b, x, width, o.qkv_bias), o.num_heads);
    const AttentionCore core{
        .bias = relative_bias_mlp(
            b, o.window, o.num_heads, 0,
            {.hidden = 512, .swin = true, .name = "cpb_mlp", .first = "0", .second = "2"}),
        .window_mask = mask,
        .attn_drop = o.attn_drop};
    // The factor is that of the scores, which it reaches with the queries.
    const auto direction = unit_length(b, q);
    const auto key = unit_length(b, k);
    const auto query = direction * cosine_scale(b, o.num_heads);
    const auto y = merge_heads(b, attention_core(b, query, key, v, core));
    return dropout(b, "proj_drop", linear(b, "proj", y, x.dim(-1), Role::attention_output),
                   o.proj_drop);
  });
}

Tensor attention(Builder& b, Tensor x, std::optional<Tensor> mask, const SwinBlock& o) {
  if (o.second_version) return cosine_attention(b, x, mask, o);
  return b.call("attn", attention_type("WindowAttention", o.num_heads, o.num_heads), {x}, [&] {
    const auto width = o.num_heads * o.head_dim;
    const auto [q, k, v] =
        split_heads(b, linear(b, "qkv", x, 3 * width, Role::qkv, o.qkv_bias), o.num_heads);
    const AttentionCore core{
        .scale = 1.0 / std::sqrt(static_cast<double>(o.head_dim)),
        .scale_query = true,
        .bias = relative_bias_table(b, o.window, o.num_heads, false,
                                    o.table_window == Size2{} ? o.window : o.table_window),
        .window_mask = mask,
        .attn_drop = o.attn_drop};
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    return dropout(b, "proj_drop", linear(b, "proj", y, x.dim(-1), Role::attention_output),
                   o.proj_drop);
  });
}

Tensor rolled(Builder& b, Tensor x, const Size2& shift, std::int64_t sign) {
  return b.add(op::Roll{{sign * static_cast<std::int64_t>(shift.height),
                         sign * static_cast<std::int64_t>(shift.width)},
                        1,
                        2},
               {x});
}

// Patches that met only because the grid was rolled do not see each other.
std::optional<Tensor> window_mask(Builder& b, const Size2& grid, const Size2& windows,
                                  const SwinBlock& o) {
  if (o.shift == Size2{}) return std::nullopt;
  const auto laid_for = o.mask_grid.value_or(grid);
  if (!(windows_of(laid_for, o.window) == windows))
    fail(
        "/img_size: a grid of {}x{} patches arrives where windows are laid for {}x{}; choose an "
        "image size that every stage halves evenly, or set strict_img_size to false",
        grid.height, grid.width, laid_for.height, laid_for.width);
  const auto area = o.window.height * o.window.width;
  return b.constant({windows.height * windows.width, area, area},
                    [windows, window = o.window, shift = o.shift](std::span<float> values) {
                      shifted_window_mask(windows, window, shift, values);
                    });
}

Tensor windowed_attention(Builder& b, Tensor x, const SwinBlock& o) {
  const Size2 grid{x.dim(1), x.dim(2)};
  const auto windows = windows_of(grid, o.window);
  const bool shifts = !(o.shift == Size2{});
  if (shifts) x = rolled(b, x, o.shift, -1);
  x = pad_zeros(b, x, 2, 0, windows.width * o.window.width - grid.width);
  x = pad_zeros(b, x, 1, 0, windows.height * o.window.height - grid.height);
  const auto mask = window_mask(b, grid, windows, o);
  x = attention(b, cut_into_windows(b, x, o.window, windows), mask, o);
  x = join_windows(b, x, o.window, windows);
  if (x.dim(1) != grid.height) x = b.slice(x, 1, 0, grid.height);
  if (x.dim(2) != grid.width) x = b.slice(x, 2, 0, grid.width);
  x = b.contiguous(x);
  return shifts ? rolled(b, x, o.shift, 1) : x;
}

}  // namespace

Tensor swin_block(Builder& b, Tensor x, const SwinBlock& block) {
  const auto shape = x.shape();
  if (block.second_version) {
    auto y = norm(b, "norm1", windowed_attention(b, x, block), block.norm);
    x = b.reshape(x + drop_path(b, "drop_path1", y, block.drop_path),
                  {shape[0], shape[1] * shape[2], shape[3]});
    y = norm(b, "norm2", mlp(b, "mlp", x, block.mlp), block.norm);
    return b.reshape(x + drop_path(b, "drop_path2", y, block.drop_path), shape);
  }
  x = x + drop_path(b, "drop_path1", windowed_attention(b, norm(b, "norm1", x, block.norm), block),
                    block.drop_path);
  x = b.reshape(x, {shape[0], shape[1] * shape[2], shape[3]});
  x = x + drop_path(b, "drop_path2", mlp(b, "mlp", norm(b, "norm2", x, block.norm), block.mlp),
                    block.drop_path);
  return b.reshape(x, shape);
}

}  // namespace vitals
