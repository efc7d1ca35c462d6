// The program as data: its name, its subcommands and what they take.
#pragma once

#include "command_line.h"

#include <memory>
#include <string>
#include <vector>

namespace vitals::cli {

// The commands that write about the program itself refer to it, so that it stays where it is.
[[nodiscard]] std::unique_ptr<Program> make_program();

// Runs the command that the arguments name and turns what it throws into a message and an exit
// code: 0: done; 1: a fault in the input; 2: wrong usage; 3: something asked for does not hold.
[[nodiscard]] int run_program(int argc, char** argv);

// The same in a process that goes on: what would have been written, and the exit code.
struct ProgramAnswer {
  int exit_code = 0;
  std::string out;
  std::string err;
};
[[nodiscard]] ProgramAnswer answer_of(const std::vector<std::string>& arguments);

}  // namespace vitals::cli
