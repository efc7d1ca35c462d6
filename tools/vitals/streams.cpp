#include "streams.h"

#include "core/error.h"
#include "core/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace vitals::cli {
namespace {

CapturedStreams* captured = nullptr;

}  // namespace

CapturedStreams::CapturedStreams() { captured = this; }
CapturedStreams::~CapturedStreams() { captured = nullptr; }

void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF)  // the lowest free number is this one
      (void)::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void write_out(std::string_view text) {
  if (captured != nullptr) {
    captured->out_ += text;
    return;
  }
  const int code = write_all(STDOUT_FILENO, text);
  if (code != 0 && code != EPIPE) fail("standard output: {}", std::strerror(code));
}

void write_err(std::string_view text) noexcept {
  if (captured != nullptr)
    captured->err_ += text;
  else
    (void)write_all(STDERR_FILENO, text);
}

}  // namespace vitals::cli
