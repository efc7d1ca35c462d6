// Names come from strangers' files. Here a text that is about to leave the program is made safe for
// the form that it leaves in. Knows the forms' rules, no report.
#pragma once

#include <string>
#include <string_view>

namespace vitals {

// A cell of CSV (RFC 4180), quoted where it has to be. Control characters are spelt out, and what a
// spreadsheet would run as a formula (a text that begins with = + - @ and is no number) begins with
// an apostrophe (OWASP, "CSV Injection").
[[nodiscard]] std::string csv_cell(std::string_view text);

// A cell of a Markdown table: one line, bars and backslashes escaped. HTML is left to
// `safe_markdown`.
[[nodiscard]] std::string markdown_cell(std::string_view text);

// A page of Markdown in which no HTML and no link of a name is live. Fenced code stays as it is.
[[nodiscard]] std::string safe_markdown(std::string_view page);

}  // namespace vitals
