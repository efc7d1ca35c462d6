// Runs the program as a user does: arguments, standard input; standard output, messages, exit code.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace vitals::test {

struct Result {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// What a run meets that is out of the ordinary.
struct Circumstances {
  std::map<std::string, std::optional<std::string>> environment = {};  // null: not set
  std::optional<std::uint64_t> file_bytes = {};    // no file can grow beyond this: a full disk
  bool file_signal = false;                        // beyond it SIGXFSZ comes, as in a shell
  std::optional<std::uint64_t> memory_bytes = {};  // of address space
  std::string out = {};                            // standard output is this file
  bool nobody_reads = false;                       // standard output is a pipe that was closed
  std::string err = {};                            // standard error is this file
  std::vector<int> closed = {};                    // these streams are closed
  std::function<void(pid_t)> meanwhile = {};       // called once while it runs
};

[[nodiscard]] Result run_in(const Circumstances& circumstances,
                            const std::vector<std::string>& arguments);

// Runs build/vitals with these arguments. Never through a shell.
[[nodiscard]] Result run(const std::vector<std::string>& arguments, const std::string& input = "");

// The same with a terminal of so many columns as standard output, and with `messages` as standard
// error, too; in a UTF-8 locale; `environment` holds NAME=VALUE. Line ends are '\n'.
[[nodiscard]] Result run_on_terminal(const std::vector<std::string>& arguments,
                                     unsigned short columns,
                                     const std::vector<std::string>& environment = {},
                                     bool messages = false);

// Whether this system gives out terminals: a bare chroot has no /dev/pts. Tests that need one are
// skipped there, and counted as such.
[[nodiscard]] bool has_terminals();

// Whether a message holds these words.
[[nodiscard]] inline bool says(const std::string& message, const std::string& words) {
  return message.find(words) != std::string::npos;
}

// Text of tests/data/<name>; a missing file fails the test.
[[nodiscard]] std::string data(const std::string& name);
[[nodiscard]] std::string data_path(const std::string& name);

}  // namespace vitals::test
