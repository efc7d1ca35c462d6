// Spellings of names that people type: what is the same but for case and separators.
#pragma once

#include <string>
#include <string_view>

namespace vitals {

// ASCII letters in lower case.
[[nodiscard]] std::string lower_case(std::string_view text);

// Lower case, and underscores for hyphens and blanks: "ViT-B 16" and "vit_b_16" are one name.
[[nodiscard]] std::string folded_name(std::string_view text);

}  // namespace vitals
