// The wire format of protocol buffers (protobuf.dev/programming-guides/encoding), read in place:
// fields come one after the other, a message inside a message is read by another WireReader on its
// bytes. Every length is checked against the bytes that are there. Must not know ONNX.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace vitals::onnx {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct WireField {
  std::uint32_t number = 0;
  WireType type = WireType::varint;
  std::uint64_t value = 0;  // of varint, fixed64 and fixed32
  std::string_view bytes;   // of a string, a message or packed numbers
  std::size_t at = 0;       // where the field begins in the file
};

class WireReader {
 public:
  // `file` is the whole file, for the positions in messages; `message` a part of it.
  WireReader(std::string_view file, std::string_view message)
      : file_(file.data()), position_(message.data()), end_(message.data() + message.size()) {}

  // The next field, or false at the end of the message. Throws Error "byte N: ..." for what is
  // truncated or no protobuf.
  [[nodiscard]] bool next(WireField& field);

 private:
  std::uint64_t varint();
  std::uint64_t fixed(std::size_t bytes);
  [[nodiscard]] std::size_t offset() const { return static_cast<std::size_t>(position_ - file_); }

  const char* file_;
  const char* position_;
  const char* end_;
};

// Appends the numbers of a repeated field, packed or not; of integers, floats (fixed32) and doubles
// (fixed64). Throws Error where the field has another wire type.
void append_integers(const WireField& field, std::vector<std::int64_t>& values);
void append_floats(const WireField& field, std::vector<double>& values);
void append_doubles(const WireField& field, std::vector<double>& values);

// The text of a string field. Throws Error where it is none or not UTF-8.
[[nodiscard]] std::string_view text_of(const WireField& field);
// The bytes of a message, or of a field of bytes.
[[nodiscard]] std::string_view bytes_of(const WireField& field);
[[nodiscard]] std::int64_t integer_of(const WireField& field);
[[nodiscard]] double float_of(const WireField& field);

[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace vitals::onnx
