#include "support/run.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <pty.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vitals::test {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File temporary() { return {std::tmpfile(), std::fclose}; }

std::string contents(std::FILE* file) {
  std::rewind(file);
  std::string text;
  char buffer[1 << 16];
  while (const auto n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
  return text;
}

struct Streams {
  File in = temporary();
  File out = temporary();
  File err = temporary();
};

void limit(int resource, const std::optional<std::uint64_t>& most) {
  if (!most) return;
  const struct rlimit both = {*most, *most};
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &both);
}

void point_at(int stream, const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) ::_exit(126);
  ::dup2(file, stream);
}

void point_streams(const Circumstances& c) {
  if (!c.err.empty()) point_at(STDERR_FILENO, c.err);
  if (c.nobody_reads) {
    int ends[2];
    if (::pipe(ends) != 0) ::_exit(126);
    ::close(ends[0]);
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[1]);
  } else if (!c.out.empty()) {
    point_at(STDOUT_FILENO, c.out);
  }
  for (const int stream : c.closed) ::close(stream);
}

[[noreturn]] void become(const std::vector<std::string>& arguments) {
  std::vector<char*> argv{const_cast<char*>(VITALS_EXE)};
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  ::execv(VITALS_EXE, argv.data());
  ::_exit(127);
}

[[noreturn]] void become_in(const Circumstances& c, const std::vector<std::string>& arguments,
                            const Streams& streams) {
  ::dup2(::fileno(streams.in.get()), STDIN_FILENO);
  ::dup2(::fileno(streams.out.get()), STDOUT_FILENO);
  ::dup2(::fileno(streams.err.get()), STDERR_FILENO);
  for (const auto& [name, value] : c.environment)
    value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  // A file that is too large shall be an error of the write, not a signal.
  ::signal(SIGXFSZ, c.file_signal ? SIG_DFL : SIG_IGN);
  limit(RLIMIT_FSIZE, c.file_bytes);
  limit(RLIMIT_AS, c.memory_bytes);
  point_streams(c);
  become(arguments);
}

int exit_code_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result run_with(const Streams& streams, const Circumstances& c,
                const std::vector<std::string>& arguments) {
  const auto child = ::fork();
  if (child == 0) become_in(c, arguments, streams);
  if (c.meanwhile) c.meanwhile(child);
  Result result;
  result.exit_code = exit_code_of(child);
  result.out = contents(streams.out.get());
  result.err = contents(streams.err.get());
  return result;
}

}  // namespace

Result run(const std::vector<std::string>& arguments, const std::string& input) {
  const Streams streams;
  std::fwrite(input.data(), 1, input.size(), streams.in.get());
  std::rewind(streams.in.get());
  return run_with(streams, {}, arguments);
}

Result run_in(const Circumstances& circumstances, const std::vector<std::string>& arguments) {
  return run_with({}, circumstances, arguments);
}

Result run_on_terminal(const std::vector<std::string>& arguments, unsigned short columns,
                       const std::vector<std::string>& environment, bool messages) {
  auto err = temporary();
  winsize size{};
  size.ws_row = 24;
  size.ws_col = columns;
  int terminal = -1;
  const auto child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child < 0) throw std::runtime_error("no pseudo-terminal");
  if (child == 0) {
    for (const char* name : {"COLUMNS", "NO_COLOR"}) ::unsetenv(name);
    ::setenv("LC_ALL", "C.UTF-8", 1);
    ::setenv("TERM", "xterm", 1);
    for (const auto& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
    if (!messages) ::dup2(::fileno(err.get()), STDERR_FILENO);
    become(arguments);
  }
  Result result;
  char buffer[1 << 12];
  // The end of a terminal whose program has gone is an error (EIO) on Linux.
  for (;;) {
    const auto n = ::read(terminal, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    result.out.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(terminal);
  std::erase(result.out, '\r');
  result.exit_code = exit_code_of(child);
  result.err = contents(err.get());
  return result;
}

bool has_terminals() {
  int master = -1;
  int terminal = -1;
  if (::openpty(&master, &terminal, nullptr, nullptr, nullptr) != 0) return false;
  ::close(terminal);
  ::close(master);
  return true;
}

std::string data_path(const std::string& name) { return std::string(TEST_DATA_DIR) + "/" + name; }

std::string data(const std::string& name) {
  std::ifstream file(data_path(name), std::ios::binary);
  if (!file) throw std::runtime_error("missing test data " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace vitals::test
