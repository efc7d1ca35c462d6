#include "core/file.h"

#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace vitals {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void cannot_write(const std::string& path, int code) {
  fail("{}: cannot be written: {}", path, std::strerror(code));
}

int close_after(int file, int code) {
  const int closed = ::close(file) == 0 ? 0 : errno;
  return code != 0 ? code : closed;
}

// The permissions that a file of this path has, or a new one gets.
mode_t mode_for(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status.st_mode & 07777U;
  const auto mask = ::umask(0);
  ::umask(mask);
  return 0666U & ~mask;
}

void write_in_place(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) cannot_write(path, errno);
  if (const int code = close_after(file, write_all(file, bytes)); code != 0)
    cannot_write(path, code);
}

void write_beside(const std::string& path, const std::string& target, std::string_view bytes) {
  auto beside = target + ".XXXXXX";
  const int file = ::mkstemp(beside.data());
  if (file < 0) cannot_write(path, errno);
  int code = ::fchmod(file, mode_for(target)) == 0 ? 0 : errno;
  if (code == 0) code = write_all(file, bytes);
  code = close_after(file, code);
  if (code == 0 && std::rename(beside.c_str(), target.c_str()) != 0) code = errno;
  if (code == 0) return;
  ::unlink(beside.c_str());
  cannot_write(path, code);
}

// The file that writing to a path replaces, links followed. Nothing for a pipe or a device, which
// has no name of its own: it is opened as it is called. Throws Error for a folder.
std::optional<fs::path> replaced_by(const std::string& path) {
  std::error_code code;
  const auto status = fs::status(path, code);
  if (fs::is_directory(status)) fail("{}: cannot be written: it is a folder", path);
  if (!fs::exists(status)) return path;
  if (!fs::is_regular_file(status)) return std::nullopt;
  auto target = fs::canonical(path, code);
  if (code) cannot_write(path, code.value());
  return target;
}

}  // namespace

int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

void check_writable(const std::string& path) {
  const auto target = replaced_by(path);
  const auto place = target ? target->parent_path() / "." : fs::path(path);
  if (::access(place.c_str(), target ? W_OK | X_OK : W_OK) != 0) cannot_write(path, errno);
}

void write_file(const std::string& path, std::string_view bytes) {
  if (const auto target = replaced_by(path))
    write_beside(path, target->string(), bytes);
  else
    write_in_place(path, bytes);
}

RandomAccessFile::RandomAccessFile(const std::string& path) : path_(path) {
  // Without O_NONBLOCK a pipe would wait here for a writer.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail("{}: cannot be read: {}", path, std::strerror(errno));
  struct stat status {};
  const bool known = ::fstat(descriptor_, &status) == 0;
  if (known && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
    return;
  }
  ::close(std::exchange(descriptor_, -1));
  if (known && S_ISDIR(status.st_mode)) fail("{}: is a directory", path);
  fail("{}: is not a regular file", path);
}

RandomAccessFile::~RandomAccessFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

RandomAccessFile::RandomAccessFile(RandomAccessFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

RandomAccessFile& RandomAccessFile::operator=(RandomAccessFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

void RandomAccessFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const auto n = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("{}: cannot be read: {}", path_, std::strerror(errno));
    if (n == 0) fail("{}: ends at byte {}, while it is being read", path_, offset);
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

std::string RandomAccessFile::head(std::size_t most) const {
  std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(most, size_)), '\0');
  read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace vitals
