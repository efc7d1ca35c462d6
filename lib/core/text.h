// Text as people type it and as they read it.
#pragma once

#include <string>
#include <string_view>

namespace vitals {

// ASCII letters in lower case.
[[nodiscard]] std::string lower_case(std::string_view text);

// Equal but for the case of ASCII letters.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

// Lower case, and underscores for hyphens and blanks: "ViT-B 16" and "vit_b_16" are one name.
[[nodiscard]] std::string folded_name(std::string_view text);

// Without the blanks and tabs around it.
[[nodiscard]] std::string_view trimmed(std::string_view text);

// Text that a terminal shows and does not obey: control characters (C0, DEL, C1), characters that
// change the direction or the lines of text (U+202E, U+2028, ...) and bytes that are not UTF-8 are
// spelt out as "\x1b", "\u202e". Line ends stay.
[[nodiscard]] std::string printable(std::string_view text);

// The same for a name: line ends are spelt out, too.
[[nodiscard]] std::string printable_line(std::string_view text);

// Whether printable_line() would change nothing.
[[nodiscard]] bool is_printable_line(std::string_view text);

}  // namespace vitals
