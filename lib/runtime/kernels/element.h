// Element types of activations and weights, and views of rows of them as raw pointers and strides.
// Must not know of tensors, graphs, arenas or threads; owns no memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vitals {

enum class Element : std::uint8_t { kF32, kBf16 };

struct Bf16 {
  std::uint16_t bits;
};

constexpr std::size_t element_size(Element type) { return type == Element::kF32 ? 4 : 2; }

// Round to nearest even; a NaN stays a (quiet) NaN.
[[gnu::always_inline]] inline Bf16 to_bf16(float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return {static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
  }
  return {static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

[[gnu::always_inline]] inline float to_float(Bf16 value) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(value.bits) << 16);
}

// Rows of contiguous elements. Row r begins at element
//   (r / inner) * stride + (r % inner) * inner_stride,
// so that heads inside a qkv buffer are rows too: {qkv, type, 3*H*d, H, d}. Plain rows: inner 1.
struct Rows {
  void* data = nullptr;
  Element type = Element::kF32;
  std::int64_t stride = 0;
  std::int64_t inner = 1;
  std::int64_t inner_stride = 0;
};

struct ConstRows {
  const void* data = nullptr;
  Element type = Element::kF32;
  std::int64_t stride = 0;
  std::int64_t inner = 1;
  std::int64_t inner_stride = 0;

  ConstRows() = default;
  ConstRows(const void* d, Element t, std::int64_t s, std::int64_t n = 1, std::int64_t ns = 0)
      : data(d), type(t), stride(s), inner(n), inner_stride(ns) {}
  ConstRows(const Rows& rows)
      : ConstRows(rows.data, rows.type, rows.stride, rows.inner, rows.inner_stride) {}
};

// Element i of `data`; for code that is not worth a kernel of its own for each type.
inline float get(const void* data, Element type, std::int64_t i) {
  return type == Element::kF32 ? static_cast<const float*>(data)[i]
                               : to_float(static_cast<const Bf16*>(data)[i]);
}

inline void put(void* data, Element type, std::int64_t i, float value) {
  if (type == Element::kF32)
    static_cast<float*>(data)[i] = value;
  else
    static_cast<Bf16*>(data)[i] = to_bf16(value);
}

}  // namespace vitals
