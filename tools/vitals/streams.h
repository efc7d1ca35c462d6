// Standard output and standard error: the one way in which everything is written there.
#pragma once

#include <string>
#include <string_view>

namespace vitals::cli {

// Takes the places of streams that were closed before the program began, so that no file that is
// opened later stands in for them: what is written there is refused, as by a closed one.
void hold_standard_streams();

// To standard output. A reader that has gone is no fault; what else goes wrong throws
// vitals::Error.
void write_out(std::string_view text);

// To standard error. Where nobody can be told, nothing is: it never throws.
void write_err(std::string_view text) noexcept;

// While it lives, both streams are texts instead: for programs that run a command in their own
// process. One at a time.
class CapturedStreams {
 public:
  CapturedStreams();
  ~CapturedStreams();
  CapturedStreams(const CapturedStreams&) = delete;
  CapturedStreams& operator=(const CapturedStreams&) = delete;

  [[nodiscard]] const std::string& out() const { return out_; }
  [[nodiscard]] const std::string& err() const { return err_; }

 private:
  friend void write_out(std::string_view text);
  friend void write_err(std::string_view text) noexcept;
  std::string out_;
  std::string err_;
};

}  // namespace vitals::cli
