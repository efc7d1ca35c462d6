// What standard output can show: colours, characters, columns. Asks the environment; knows no text.
#pragma once

#include "command.h"

namespace vitals::cli {

inline constexpr std::size_t kLeastWidth = 40;  // narrower terminals get lines of these columns

// Whether to colour: as --color says, else on a terminal, unless NO_COLOR or TERM=dumb objects.
[[nodiscard]] bool colour(const OutputOptions& options);

// The width that was asked for, else the terminal's: COLUMNS, or what the terminal tells; in a file
// or a pipe none, nor in the formats for programs. Bars stand where colours may, or where NO_COLOR
// alone forbids these, if the locale is UTF-8.
[[nodiscard]] TextLayout text_layout(const OutputOptions& options);

// A message, or lines of them, on standard error: "vitals: ...", folded if that is a terminal.
void tell(const std::string& message);

// Where a user's defaults are: vitals/config.toml in $XDG_CONFIG_HOME, else in ~/.config (the XDG
// base directory specification). Empty without a home.
[[nodiscard]] std::string config_file();

// Columns for a text of sentences: the terminal's, if it is narrower than what reads well.
[[nodiscard]] std::size_t reading_width();

}  // namespace vitals::cli
