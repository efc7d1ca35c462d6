#include "report/text/safe_text.h"

#include "core/number.h"
#include "core/text.h"

#include <algorithm>

namespace vitals {
namespace {

bool is_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return parse_number(text).has_value();
}

bool is_formula(std::string_view text) {
  constexpr std::string_view kStarts = "=+-@";
  return text.size() > 1 && kStarts.find(text.front()) != std::string_view::npos &&
         !is_number(text);
}

std::string replaced(std::string_view text, char mark, std::string_view with) {
  std::string result;
  for (const char c : text) {
    if (c == mark)
      result += with;
    else
      result += c;
  }
  return result;
}

std::string without_live_markup(std::string_view line) {
  auto text = replaced(replaced(line, '&', "&amp;"), '<', "&lt;");
  for (std::size_t at = 0; (at = text.find("](", at)) != std::string::npos; at += 3)
    text.insert(at + 1, "\\");
  return text;
}

}  // namespace

std::string csv_cell(std::string_view text) {
  auto cell = printable_line(text);
  if (is_formula(cell)) cell.insert(0, "'");
  if (cell.find_first_of(",\"") == std::string::npos) return cell;
  return '"' + replaced(cell, '"', "\"\"") + '"';
}

std::string markdown_cell(std::string_view text) {
  return replaced(replaced(printable_line(text), '\\', "\\\\"), '|', "\\|");
}

std::string safe_markdown(std::string_view page) {
  std::string text;
  bool code = false;
  while (!page.empty()) {
    const auto end = std::min(page.find('\n'), page.size() - 1) + 1;
    const auto line = page.substr(0, end);
    const bool fence = line.starts_with("```");
    text += code || fence ? std::string(line) : without_live_markup(line);
    code = code != fence;
    page.remove_prefix(end);
  }
  return text;
}

}  // namespace vitals
