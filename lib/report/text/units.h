// Numbers as people read them. Every unit says what it is: k, M, G are powers of ten; KiB, MiB, GiB
// powers of two.
#pragma once

#include "core/count.h"

#include <string>

namespace vitals {

[[nodiscard]] std::string grouped(Count n);            // 86,567,656
[[nodiscard]] std::string si(double value);            // 86.6 M, 17.6 G
[[nodiscard]] std::string binary_bytes(double bytes);  // 330.2 MiB
// From now on si() and binary_bytes() give all digits: 86,567,656; 346,270,624 B. For the whole
// process: a report does not mix both.
void show_all_digits();

[[nodiscard]] std::string percent(double share);  // 12.3 %

[[nodiscard]] inline std::string si(Count n) { return si(n.as_double()); }
[[nodiscard]] inline std::string binary_bytes(Count n) { return binary_bytes(n.as_double()); }
// "-" for nothing at all, else the text.
[[nodiscard]] std::string or_dash(Count n, std::string text);
// What `times` parts make of the whole, "-" for none.
[[nodiscard]] std::string share_text(Count part, Count whole, std::uint64_t times = 1);

}  // namespace vitals
