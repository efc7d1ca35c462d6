// A regular file seen as text, without reading it: only the pages that are looked at are loaded.
// A file that another program truncates meanwhile ends this one (SIGBUS), so that it is for files
// of which little is read.
#pragma once

#include <string>
#include <string_view>

namespace vitals {

class MappedFile {
 public:
  // Throws Error for what is missing, unreadable or no regular file.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace vitals
