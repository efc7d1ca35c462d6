// Shapes and strides of tensors, in elements, with PyTorch's rules for when a reshape is a view.
// Knows nothing of ops or models.
#pragma once

#include "core/count.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>

namespace vitals {

inline constexpr std::size_t kMaxRank = 8;

// Up to kMaxRank numbers without an allocation: a trace has thousands of them.
class Dims {
 public:
  constexpr Dims() = default;
  constexpr Dims(std::initializer_list<std::uint64_t> values) {
    for (auto v : values) push_back(v);
  }

  [[nodiscard]] constexpr std::size_t rank() const { return rank_; }
  [[nodiscard]] constexpr bool empty() const { return rank_ == 0; }
  constexpr std::uint64_t operator[](std::size_t i) const { return values_[i]; }
  constexpr std::uint64_t& operator[](std::size_t i) { return values_[i]; }
  // Python's indexing: -1 is the last dimension.
  [[nodiscard]] constexpr std::uint64_t at(int i) const { return values_[index(i)]; }
  [[nodiscard]] constexpr std::size_t index(int i) const {
    const auto r = static_cast<int>(rank_);
    assert(i < r && i >= -r);
    return static_cast<std::size_t>(i < 0 ? i + r : i);
  }
  constexpr void push_back(std::uint64_t v) {
    assert(rank_ < kMaxRank);
    values_[rank_++] = v;
  }
  [[nodiscard]] constexpr const std::uint64_t* begin() const { return values_.data(); }
  [[nodiscard]] constexpr const std::uint64_t* end() const { return values_.data() + rank_; }
  friend constexpr bool operator==(const Dims& a, const Dims& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::array<std::uint64_t, kMaxRank> values_{};
  std::size_t rank_ = 0;
};

using Shape = Dims;
using Strides = Dims;

// Number of elements; throws Error when it does not fit into 64 bits.
[[nodiscard]] Count numel(const Shape& shape);

[[nodiscard]] Strides contiguous_strides(const Shape& shape);
[[nodiscard]] bool is_contiguous(const Shape& shape, const Strides& strides);

// Whether images [B, C, H, W] lie in memory as [B, H, W, C], by PyTorch's rule, in which channels
// of which there is but one decide nothing (c10::is_channels_last_strides_2d). Convolutions then
// give what they compute the same layout.
[[nodiscard]] bool is_channels_last(const Shape& shape, const Strides& strides);
[[nodiscard]] Strides channels_last_strides(const Shape& images);

// The strides under which memory of (shape, strides) reads as `target`, or nothing when a copy is
// needed. The rule is that of PyTorch's Tensor.view (at::detail::computeStride).
[[nodiscard]] std::optional<Strides> view_strides(const Shape& shape, const Strides& strides,
                                                  const Shape& target);

// The layout an elementwise op gives its output: the input's own order of dimensions when that is
// dense (as PyTorch's TensorIterator keeps it), else contiguous.
[[nodiscard]] Strides elementwise_strides(const Shape& shape, const Strides& strides);

// numpy's rule; nothing when the shapes do not fit together.
[[nodiscard]] std::optional<Shape> broadcast(const Shape& a, const Shape& b);

// Where window i of `windows` over `size` positions begins and ends, when they are spread evenly
// (PyTorch's adaptive pooling).
[[nodiscard]] constexpr std::uint64_t adaptive_begin(std::uint64_t i, std::uint64_t size,
                                                     std::uint64_t windows) {
  return i / windows * size + i % windows * size / windows;
}
[[nodiscard]] constexpr std::uint64_t adaptive_end(std::uint64_t i, std::uint64_t size,
                                                   std::uint64_t windows) {
  return 1 + ((i + 1) * size - 1) / windows;
}

// "[1, 197, 768]"
[[nodiscard]] std::string to_string(const Shape& shape);

}  // namespace vitals
