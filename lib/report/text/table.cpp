#include "report/text/table.h"

namespace vitals {
namespace {

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
