// A regular file that is read at offsets, without moving a cursor. Nothing is mapped: a file that
// shrinks while it is read is an error here, where a mapped one would kill the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vitals {

class RandomAccessFile {
 public:
  // Throws Error for what is missing, unreadable or no regular file (a directory, a pipe).
  explicit RandomAccessFile(const std::string& path);
  ~RandomAccessFile();
  RandomAccessFile(RandomAccessFile&& other) noexcept;
  RandomAccessFile& operator=(RandomAccessFile&& other) noexcept;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }  // when it was opened

  // Fills `out` from `offset`; throws Error when the file does not hold so many bytes any more.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  // At most `most` bytes from the start, as text.
  [[nodiscard]] std::string head(std::size_t most) const;

 private:
  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace vitals
