// The program as data: its name, its subcommands and what they take.
#pragma once

#include "command_line.h"

#include <memory>

namespace vitals::cli {

// The commands that write about the program itself refer to it, so that it stays where it is.
[[nodiscard]] std::unique_ptr<Program> make_program();

}  // namespace vitals::cli
