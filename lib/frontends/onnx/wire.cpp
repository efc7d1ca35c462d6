#include "frontends/onnx/wire.h"

#include "core/bit_cast.h"
#include "core/error.h"

#include <array>
#include <type_traits>

namespace vitals::onnx {
namespace {

constexpr unsigned kBitsPerByte = 7;

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

[[noreturn]] void wrong_type(const WireField& field, const char* expected) {
  fail("byte {}: field {} is not {}", field.at, field.number, expected);
}

void require_type(const WireField& field, WireType type, const char* expected) {
  if (field.type != type) wrong_type(field, expected);
}

template <class Number, class Out>
void append_fixed(const WireField& field, WireType single, std::vector<Out>& values,
                  const char* expected) {
  constexpr auto kSize = sizeof(Number);
  using Bits = std::conditional_t<kSize == 4, std::uint32_t, std::uint64_t>;
  auto number = [](std::uint64_t bits) {
    return static_cast<Out>(bit_cast<Number>(static_cast<Bits>(bits)));
  };
  if (field.type == single) {
    values.push_back(number(field.value));
    return;
  }
  require_type(field, WireType::bytes, expected);
  if (field.bytes.size() % kSize != 0) wrong_type(field, expected);
  for (std::size_t i = 0; i < field.bytes.size(); i += kSize)
    values.push_back(number(little_endian(field.bytes.substr(i, kSize))));
}

}  // namespace

std::uint64_t WireReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += kBitsPerByte) {
    if (position_ == end_) fail("byte {}: the file ends inside a number", offset());
    const auto byte = static_cast<unsigned char>(*position_++);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  fail("byte {}: a number has more than ten bytes; is this a protobuf file?", offset());
}

std::uint64_t WireReader::fixed(std::size_t bytes) {
  if (static_cast<std::size_t>(end_ - position_) < bytes)
    fail("byte {}: the file ends inside a number", offset());
  const auto value = little_endian({position_, bytes});
  position_ += bytes;
  return value;
}

bool WireReader::next(WireField& field) {
  if (position_ == end_) return false;
  field.at = offset();
  const auto tag = varint();
  const auto number = tag >> 3U;
  constexpr std::uint64_t kLargestNumber = (1U << 29U) - 1;
  if (number == 0 || number > kLargestNumber)
    fail("byte {}: {} is not a field number; is this a protobuf file?", field.at, number);
  field.number = static_cast<std::uint32_t>(number);
  switch (tag & 7U) {
    case 0:
      field.type = WireType::varint;
      field.value = varint();
      return true;
    case 1:
      field.type = WireType::fixed64;
      field.value = fixed(8);
      return true;
    case 2: {
      field.type = WireType::bytes;
      const auto size = varint();
      const auto left = static_cast<std::size_t>(end_ - position_);
      if (size > left)
        fail("byte {}: field {} states {} bytes, but {} are left; is the file complete?", field.at,
             number, size, left);
      field.bytes = {position_, static_cast<std::size_t>(size)};
      position_ += size;
      return true;
    }
    case 5:
      field.type = WireType::fixed32;
      field.value = fixed(4);
      return true;
    default:
      fail("byte {}: wire type {} is not supported; is this a protobuf file?", field.at, tag & 7U);
  }
}

void append_integers(const WireField& field, std::vector<std::int64_t>& values) {
  if (field.type == WireType::varint) {
    values.push_back(static_cast<std::int64_t>(field.value));
    return;
  }
  require_type(field, WireType::bytes, "a list of integers");
  std::uint64_t value = 0;
  unsigned shift = 0;
  for (const char c : field.bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (shift >= 64) wrong_type(field, "a list of integers");
    value |= std::uint64_t{byte & 0x7FU} << shift;
    shift += kBitsPerByte;
    if ((byte & 0x80U) != 0) continue;
    values.push_back(static_cast<std::int64_t>(value));
    value = 0;
    shift = 0;
  }
  if (shift != 0) wrong_type(field, "a list of integers");
}

void append_floats(const WireField& field, std::vector<double>& values) {
  append_fixed<float>(field, WireType::fixed32, values, "a list of floats");
}

void append_doubles(const WireField& field, std::vector<double>& values) {
  append_fixed<double>(field, WireType::fixed64, values, "a list of doubles");
}

std::string_view text_of(const WireField& field) {
  require_type(field, WireType::bytes, "a string");
  if (!is_utf8(field.bytes)) wrong_type(field, "UTF-8 text");
  return field.bytes;
}

std::string_view bytes_of(const WireField& field) {
  require_type(field, WireType::bytes, "a message");
  return field.bytes;
}

std::int64_t integer_of(const WireField& field) {
  require_type(field, WireType::varint, "an integer");
  return static_cast<std::int64_t>(field.value);
}

double float_of(const WireField& field) {
  require_type(field, WireType::fixed32, "a float");
  return bit_cast<float>(static_cast<std::uint32_t>(field.value));
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) {
      ++i;
      continue;
    }
    const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4 || i + more >= text.size()) return false;
    std::uint32_t code = first & (0x3FU >> more);
    for (std::size_t k = 1; k <= more; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xC0U) != 0x80U) return false;
      code = code << 6U | (byte & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 4> kLeast = {0, 0x80, 0x800, 0x10000};
    if (code < kLeast[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace vitals::onnx
