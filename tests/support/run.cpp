#include "support/run.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
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

}  // namespace

Result run(const std::vector<std::string>& arguments, const std::string& input) {
  auto in = temporary();
  auto out = temporary();
  auto err = temporary();
  std::fwrite(input.data(), 1, input.size(), in.get());
  std::rewind(in.get());
  const auto child = ::fork();
  if (child == 0) become(arguments, ::fileno(in.get()), ::fileno(out.get()), ::fileno(err.get()));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  Result result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = contents(out.get());
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
