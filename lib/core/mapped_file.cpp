#include "core/mapped_file.h"

#include "core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vitals {
namespace {

// The file's size; closes it where it cannot be mapped.
std::size_t mappable_size(int descriptor, const std::string& path) {
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  if (known && S_ISREG(status.st_mode)) return static_cast<std::size_t>(status.st_size);
  ::close(descriptor);
  if (known && S_ISDIR(status.st_mode)) fail("{}: is a directory", path);
  fail("{}: is not a regular file", path);
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  // Without O_NONBLOCK a pipe would wait here for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail("{}: cannot be read: {}", path, std::strerror(errno));
  const auto size = mappable_size(descriptor, path);
  void* data = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int code = errno;
  ::close(descriptor);
  if (data == MAP_FAILED) fail("{}: cannot be mapped: {}", path, std::strerror(code));
  if (size != 0) bytes_ = {static_cast<const char*>(data), size};
}

MappedFile::~MappedFile() {
  // munmap takes the address that mmap gave, which was not const.
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());  // NOLINT
}

}  // namespace vitals
