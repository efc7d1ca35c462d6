#include "core/pickle_writer.h"

#include "core/error.h"

#include <limits>

namespace vitals {

void PickleWriter::little_endian(std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) {
    out_ += static_cast<char>(value & 0xff);
    value >>= 8;
  }
}

// BINUNICODE
PickleWriter& PickleWriter::text(std::string_view value) {
  if (value.size() > std::numeric_limits<std::uint32_t>::max())
    fail("a text of {} bytes is too long for a pickle", value.size());
  out_ += 'X';
  little_endian(value.size(), 4);
  return bytes(value);
}

// BININT, which is signed and of four bytes, or LONG1.
PickleWriter& PickleWriter::number(std::uint64_t value) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (value <= kMost) {
    out_ += 'J';
    little_endian(value, 4);
    return *this;
  }
  out_ += "\x8a\x09";
  little_endian(value, 8);
  out_ += '\0';  // the sign
  return *this;
}

}  // namespace vitals
