// Runs the points of a sweep on many threads and hands on their rows in order: what is written is
// always a beginning of the whole.
#pragma once

#include "frontends/sweep/results.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace vitals::cli {

struct PointRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::size_t jobs = 0;  // threads; 0: as many as the CPU has
};

// Shows the progress on a terminal. False where Ctrl-C ended it early. What `compute` or `take`
// throw passes through.
[[nodiscard]] bool run_in_order(const PointRange& range,
                                const std::function<SweepRow(std::uint64_t)>& compute,
                                const std::function<void(const SweepRow&)>& take);

// A file that grows by whole texts.
class AppendedFile {
 public:
  explicit AppendedFile(std::string path);  // throws Error
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  [[nodiscard]] bool empty() const;
  void append(const std::string& text);  // throws Error

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace vitals::cli
