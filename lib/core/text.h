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

// Control characters but for line ends as "\x1b", so that a terminal shows them and obeys none.
[[nodiscard]] std::string printable(std::string_view text);

// Whether printable() would change nothing and there is no line end: what a name must be.
[[nodiscard]] bool is_printable_line(std::string_view text);

}  // namespace vitals
