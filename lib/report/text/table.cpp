#include "report/text/table.h"

#include "report/text/safe_text.h"

namespace vitals {
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
