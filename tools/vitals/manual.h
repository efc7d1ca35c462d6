// The manual page and the shells' completions, written from the same description of the commands
// that the parser reads.
#pragma once

#include "command_line.h"

#include <string>

namespace vitals::cli {

// A page for man(1), in man(7)'s macros.
[[nodiscard]] std::string manual_page(const Program& program);

enum class Shell { bash, zsh, fish };

// A script that makes the shell complete commands, options, their values and model names.
[[nodiscard]] std::string completions(const Program& program, Shell shell);

}  // namespace vitals::cli
