#include "report/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace vitals {
namespace {

// Columns of a terminal that a UTF-8 text takes; all our symbols are one wide.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string fill(width - std::min(width, width_of(text)), ' ');
  return right ? fill + text : text + fill;
}

void trim_right(std::string& line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string markdown_cell(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string to_text(const Table& table) {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    widths.push_back(width_of(table.columns[i].title));
    for (const auto& row : table.rows) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  auto line = [&](auto&& cell) {
    std::string out;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (i > 0) out += "  ";
      out += padded(cell(i), widths[i], table.columns[i].right);
    }
    trim_right(out);
    text += out + '\n';
  };
  line([&](std::size_t i) { return table.columns[i].title; });
  std::size_t total = 0;
  for (auto w : widths) total += w + 2;
  text += std::string(total - 2, '-') + '\n';
  for (const auto& row : table.rows) line([&](std::size_t i) { return row[i]; });
  for (const auto& note : table.notes) text += note + '\n';
  return text;
}

std::string to_csv(const Table& table) {
  std::string text;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    text += (i > 0 ? "," : "") + csv_cell(table.columns[i].title);
  text += '\n';
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "," : "") + csv_cell(row[i]);
    text += '\n';
  }
  return text;
}

std::string to_markdown(const Table& table) {
  std::string text = "|";
  for (const auto& c : table.columns) text += " " + markdown_cell(c.title) + " |";
  text += "\n|";
  for (const auto& c : table.columns) text += c.right ? "---:|" : "---|";
  text += '\n';
  for (const auto& row : table.rows) {
    text += "|";
    for (const auto& cell : row) text += " " + markdown_cell(cell) + " |";
    text += '\n';
  }
  for (const auto& note : table.notes) text += "\n" + note + '\n';
  return text;
}

}  // namespace vitals
