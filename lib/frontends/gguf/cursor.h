// Reads the header of a file from its start, a piece at a time, and never beyond its end. Knows
// little-endian numbers and strings with a length before them, and where it is, for messages.
#pragma once

#include "core/error.h"
#include "core/file.h"

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace vitals {

class GgufCursor {
 public:
  GgufCursor(const RandomAccessFile& file, std::uint64_t offset) : file_(file), offset_(offset) {}

  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  // Bytes of the file that follow.
  [[nodiscard]] std::uint64_t left() const {
    return file_.size() > offset_ ? file_.size() - offset_ : 0;
  }

  // What is being read from here on: "key 'general.name'".
  void at(std::string what) { what_ = std::move(what); }
  // The same with the place in the file; empty when nothing is being read.
  [[nodiscard]] std::string where() const {
    return what_.empty() ? "" : fmt::format("{} (at byte {})", what_, offset_);
  }

  template <std::integral T>
  T number() {
    const auto* bytes = take(sizeof(T));
    std::make_unsigned_t<T> value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;)
      value = static_cast<std::make_unsigned_t<T>>(static_cast<std::uint64_t>(value) << 8U |
                                                   static_cast<unsigned char>(bytes[i]));
    return static_cast<T>(value);
  }

  // A length of 64 bits, and as many bytes; `most` limits what a name may have.
  std::string string(std::uint64_t most = kMaxString) {
    const auto length = string_length();
    if (length > most) fail("a text of {} bytes; {} is the most that is read", length, most);
    const auto* bytes = take(static_cast<std::size_t>(length));
    return {bytes, static_cast<std::size_t>(length)};
  }
  void skip_string() { skip(string_length()); }
  void skip(std::uint64_t bytes) {
    if (bytes > left()) cut_off(bytes);
    offset_ += bytes;
  }

 private:
  static constexpr std::uint64_t kMaxString = std::uint64_t{64} << 20;  // a chat template is 10 KiB
  static constexpr std::size_t kPiece = std::size_t{1} << 20;

  std::uint64_t string_length() {
    const auto length = number<std::uint64_t>();
    if (length > left()) cut_off(length);
    return length;
  }

  [[noreturn]] void cut_off(std::uint64_t wanted) const {
    fail("the file ends: {} bytes are needed, and {} follow; it is cut off or its header is wrong",
         wanted, left());
  }

  // The next bytes, which stay until the next call.
  const char* take(std::size_t bytes) {
    if (bytes > left()) cut_off(bytes);
    if (offset_ < begin_ || offset_ + bytes > begin_ + piece_.size()) {
      const auto size = std::min<std::uint64_t>(std::max(bytes, kPiece), left());
      piece_.resize(static_cast<std::size_t>(size));
      file_.read(offset_, std::as_writable_bytes(std::span(piece_)));
      begin_ = offset_;
    }
    const auto* at = piece_.data() + (offset_ - begin_);
    offset_ += bytes;
    return at;
  }

  const RandomAccessFile& file_;
  std::uint64_t offset_;
  std::vector<char> piece_;
  std::uint64_t begin_ = 0;
  std::string what_;
};

}  // namespace vitals
