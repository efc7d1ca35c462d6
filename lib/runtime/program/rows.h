// Strided views as the rows that row kernels take: leading dimensions folded, in one order for all
// operands. Must not know of steps or addresses.
#pragma once

#include "runtime/program/program.h"

#include <optional>
#include <span>

namespace vitals {

// Row r of a view begins (r / inner) * stride + (r % inner) * inner_stride elements behind its
// first.
struct RowStrides {
  std::int64_t stride = 0;
  std::int64_t inner = 1;
  std::int64_t inner_stride = 0;
};

struct FoldedRows {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  std::vector<RowStrides> views;
};

// Views of one shape as rows along their last dimension, in whatever order of rows suits them all.
// Nothing when there is none, or when the elements of a row do not lie side by side.
[[nodiscard]] std::optional<FoldedRows> fold_rows(std::span<const View> views);

// The strides of a dense tensor whose dimensions lie in the order of `like`'s.
[[nodiscard]] Strides dense_like(const Shape& shape, const Strides& like);

// The view repeated over the dimensions that it lacks or has only one of.
[[nodiscard]] View broadcast_to(const View& view, const Shape& shape);

// Whether the view is the whole of a dense tensor of `elements` elements, in any order.
[[nodiscard]] bool covers(const View& view, std::uint64_t elements);

}  // namespace vitals
