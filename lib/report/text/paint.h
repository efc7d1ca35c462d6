// Colour that carries meaning, for terminals: titles stand out, rules step back, and large shares
// are warm. Works on finished text, so that no report knows about it.
#pragma once

#include <string>

namespace vitals {

// The text with ANSI escapes (ECMA-48 SGR) around what they emphasise; without them it is the same.
[[nodiscard]] std::string painted(const std::string& text);

}  // namespace vitals
