// Runs the program as a user does: arguments, standard input; standard output, messages, exit code.
#pragma once

#include <string>
#include <vector>

namespace vitals::test {

struct Result {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs build/vitals with these arguments. Never through a shell.
[[nodiscard]] Result run(const std::vector<std::string>& arguments, const std::string& input = "");

// The same with a terminal of so many columns as standard output, and with `messages` as standard
// error, too; in a UTF-8 locale; `environment` holds NAME=VALUE. Line ends are '\n'.
[[nodiscard]] Result run_on_terminal(const std::vector<std::string>& arguments,
                                     unsigned short columns,
                                     const std::vector<std::string>& environment = {},
                                     bool messages = false);

// Text of tests/data/<name>; a missing file fails the test.
[[nodiscard]] std::string data(const std::string& name);
[[nodiscard]] std::string data_path(const std::string& name);

}  // namespace vitals::test
