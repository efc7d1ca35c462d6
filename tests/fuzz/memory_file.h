// A file for readers that want one, from the bytes of a fuzz target.
#pragma once

#include "fuzz/fuzz.h"

#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

namespace vitals::fuzz {

// A file that is only in memory, under a name that can be opened.
class MemoryFile {
 public:
  MemoryFile() : file_(::memfd_create("vitals-fuzz", 0)) {
    require(file_ >= 0, "a file in memory can be made");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(file_); }

  void write(std::string_view text) const {
    require(::ftruncate(file_, 0) == 0, "a file in memory can be emptied");
    require(::pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()),
            "a file in memory can be written");
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace vitals::fuzz
