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

// Whether a message holds these words.
[[nodiscard]] inline bool says(const std::string& message, const std::string& words) {
  return message.find(words) != std::string::npos;
}

// Text of tests/data/<name>; a missing file fails the test.
[[nodiscard]] std::string data(const std::string& name);
[[nodiscard]] std::string data_path(const std::string& name);

}  // namespace vitals::test
