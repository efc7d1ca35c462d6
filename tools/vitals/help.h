// What --help answers, written from the description of the commands, and how an option is spelled
// there and in the manual.
#pragma once

#include "command_line.h"

#include <cstddef>
#include <string>

namespace vitals::cli {

[[nodiscard]] std::string synopsis(const Program& program, const Command& command);
[[nodiscard]] std::string spelled(const Option& option);    // "-o, --output FILE"
[[nodiscard]] std::string explained(const Option& option);  // with its default

// Of the program, or of one command; no line longer than the program's `width`.
[[nodiscard]] std::string help_text(const Program& program);
[[nodiscard]] std::string help_text(const Program& program, const Command& command);

}  // namespace vitals::cli
