// A tensor in memory: a pointer, a shape and strides in elements. Owns nothing, knows no ops.
#pragma once

#include "core/shape.h"

#include <cstdint>

namespace vitals {

[[nodiscard]] inline std::uint64_t offset_of(const Dims& index, const Strides& strides) {
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < strides.rank(); ++i) offset += index[i] * strides[i];
  return offset;
}

template <class T>
struct Strided {
  T* data = nullptr;
  Shape shape;
  Strides strides;

  [[nodiscard]] bool empty() const { return data == nullptr; }
  [[nodiscard]] T& operator[](const Dims& index) const { return data[offset_of(index, strides)]; }
};

// The index after `index` in row-major order; false after the last one.
[[nodiscard]] inline bool advance(Dims& index, const Shape& shape) {
  for (std::size_t i = shape.rank(); i-- > 0;) {
    if (++index[i] < shape[i]) return true;
    index[i] = 0;
  }
  return false;
}

[[nodiscard]] inline Dims first_index(std::size_t rank) {
  Dims index;
  for (std::size_t i = 0; i < rank; ++i) index.push_back(0);
  return index;
}

// Calls `visit` with every index of a shape in row-major order.
template <class F>
void for_each_index(const Shape& shape, F&& visit) {
  for (auto extent : shape)
    if (extent == 0) return;
  auto index = first_index(shape.rank());
  do visit(static_cast<const Dims&>(index));
  while (advance(index, shape));
}

// The part of a shape, or of strides, before its last `count` dimensions.
[[nodiscard]] inline Dims without_last(const Dims& dims, std::size_t count) {
  Dims result;
  for (std::size_t i = 0; i + count < dims.rank(); ++i) result.push_back(dims[i]);
  return result;
}

// Where in a tensor an index of a shape that it broadcasts to falls: dimensions are aligned at the
// right, those of extent 1 repeat (numpy's rule).
[[nodiscard]] inline std::uint64_t broadcast_offset(const Dims& index, const Shape& shape,
                                                    const Strides& strides) {
  const auto skipped = index.rank() - shape.rank();
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < shape.rank(); ++i)
    if (shape[i] != 1) offset += index[skipped + i] * strides[i];
  return offset;
}

}  // namespace vitals
