#include "runtime/program/rows.h"

#include <algorithm>
#include <numeric>

namespace vitals {
namespace {

using Order = std::vector<std::size_t>;

// The leading dimensions, those with long strides first.
Order order_of(const View& view) {
  Order order(view.shape.rank() - 1);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return view.strides[a] > view.strides[b]; });
  return order;
}

std::optional<RowStrides> folded(const View& view, const Order& order) {
  struct Level {
    std::uint64_t size;
    std::uint64_t stride;
  };
  std::vector<Level> levels;
  for (auto d : order) {
    const auto size = view.shape[d];
    const auto stride = view.strides[d];
    if (size == 1) continue;
    if (!levels.empty() && levels.back().stride == size * stride)
      levels.back() = {levels.back().size * size, stride};
    else
      levels.push_back({size, stride});
  }
  if (levels.size() > 2) return std::nullopt;
  const auto signed_of = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
  RowStrides rows;
  if (!levels.empty()) rows.stride = signed_of(levels[0].stride);
  if (levels.size() == 2) {
    rows.inner = signed_of(levels[1].size);
    rows.inner_stride = signed_of(levels[1].stride);
  }
  return rows;
}

std::optional<FoldedRows> fold_in(std::span<const View> views, const Order& order) {
  FoldedRows rows;
  for (const auto& view : views) {
    const auto strides = folded(view, order);
    if (!strides) return std::nullopt;
    rows.views.push_back(*strides);
  }
  const auto& shape = views.front().shape;
  rows.columns = static_cast<std::int64_t>(shape.at(-1));
  for (auto d : order) rows.rows *= static_cast<std::int64_t>(shape[d]);
  return rows;
}

}  // namespace

std::optional<FoldedRows> fold_rows(std::span<const View> views) {
  for (const auto& view : views)
    if (view.shape.empty() || (view.shape.at(-1) != 1 && view.strides.at(-1) != 1))
      return std::nullopt;
  for (const auto& view : views)
    if (auto rows = fold_in(views, order_of(view))) return rows;
  return std::nullopt;
}

Strides dense_like(const Shape& shape, const Strides& like) {
  std::vector<std::size_t> order(shape.rank());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return like[a] > like[b]; });
  std::reverse(order.begin(), order.end());
  Strides strides = shape;
  std::uint64_t next = 1;
  for (const auto d : order) {
    strides[d] = next;
    next *= shape[d];
  }
  return strides;
}

View broadcast_to(const View& view, const Shape& shape) {
  View wide{view.buffer, view.offset, shape, shape};
  const auto missing = shape.rank() - view.shape.rank();
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    const bool repeated = i < missing || (view.shape[i - missing] == 1 && shape[i] != 1);
    wide.strides[i] = repeated ? 0 : view.strides[i - missing];
  }
  return wide;
}

bool covers(const View& view, std::uint64_t elements) {
  return view.offset == 0 && numel(view.shape) == Count(elements) &&
         dense_like(view.shape, view.strides) == view.strides;
}

}  // namespace vitals
