// The formats that ggml stores rows of a tensor in, as data: how many elements make a block, and
// its bytes. Sizes only. Knows no files and no models.
#pragma once

#include "core/count.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace vitals {

// A row is stored as blocks of `block` elements in `bytes` bytes each (ggml's type traits).
struct BlockFormat {
  std::string_view name;
  std::uint64_t block = 1;
  std::uint64_t bytes = 4;
  std::string_view fallback = "F16";  // of a row that the blocks do not divide
};

[[nodiscard]] std::span<const BlockFormat> block_formats();

// Names are compared without case. Null when there is none.
[[nodiscard]] const BlockFormat* find_block_format(std::string_view name);
// Throws Error for an unknown name.
[[nodiscard]] const BlockFormat& block_format(std::string_view name);

// Bytes of rows that the blocks divide.
[[nodiscard]] inline Count bytes_of(const BlockFormat& format, Count elements) {
  return elements / format.block * format.bytes;
}

}  // namespace vitals
