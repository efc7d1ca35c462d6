#include "streams.h"

#include "core/error.h"
#include "core/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace vitals::cli {

void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF)  // the lowest free number is this one
      (void)::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void write_out(std::string_view text) {
  const int code = write_all(STDOUT_FILENO, text);
  if (code != 0 && code != EPIPE) fail("standard output: {}", std::strerror(code));
}

void write_err(std::string_view text) noexcept { (void)write_all(STDERR_FILENO, text); }

}  // namespace vitals::cli
