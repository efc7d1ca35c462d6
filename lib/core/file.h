// Files read at offsets, and files written whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace vitals {

// Writes `bytes` beside the file and renames, so that whoever reads it finds the old content or the
// new one, and a full disk leaves the old one. A symbolic link stays one; what is no regular file
// (a device, a pipe) is written to as it is. Throws Error.
void write_file(const std::string& path, std::string_view bytes);

// Throws the Error of write_file where it is clear beforehand that it would: no such folder, no
// permission.
void check_writable(const std::string& path);

// Writes all of `bytes` to an open file. 0, or the errno of what went wrong.
[[nodiscard]] int write_all(int descriptor, std::string_view bytes);

// A regular file that is read without moving a cursor. Nothing is mapped: a file that shrinks while
// it is read is an error here, where a mapped one would kill the program.
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
