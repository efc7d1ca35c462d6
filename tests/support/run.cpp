#include "support/run.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <pty.h>
#include <stdexcept>
#include <sys/ioctl.h>
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

[[noreturn]] void become(const std::vector<std::string>& arguments, int in, int out, int err) {
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  std::vector<char*> argv{const_cast<char*>(VITALS_EXE)};
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  ::execv(VITALS_EXE, argv.data());
  ::_exit(127);
}

int exit_code_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result run(const std::vector<std::string>& arguments, const std::string& input) {
  auto in = temporary();
  auto out = temporary();
  auto err = temporary();
  std::fwrite(input.data(), 1, input.size(), in.get());
  std::rewind(in.get());
  const auto child = ::fork();
  if (child == 0) become(arguments, ::fileno(in.get()), ::fileno(out.get()), ::fileno(err.get()));
  Result result;
  result.exit_code = exit_code_of(child);
  result.out = contents(out.get());
  result.err = contents(err.get());
  return result;
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
    become(arguments, STDIN_FILENO, STDOUT_FILENO, messages ? STDERR_FILENO : ::fileno(err.get()));
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

std::string data_path(const std::string& name) { return std::string(TEST_DATA_DIR) + "/" + name; }

std::string data(const std::string& name) {
  std::ifstream file(data_path(name), std::ios::binary);
  if (!file) throw std::runtime_error("missing test data " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace vitals::test
