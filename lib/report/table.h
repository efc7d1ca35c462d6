// A table as data, and its three forms: aligned text, CSV, Markdown. Formatting only.
#pragma once

#include <string>
#include <vector>

namespace vitals {

struct Column {
  std::string title;
  bool right = false;  // numbers are aligned to the right
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> notes;  // sentences below the table; CSV has no place for them
};

[[nodiscard]] std::string to_text(const Table& table);
[[nodiscard]] std::string to_csv(const Table& table);       // RFC 4180
[[nodiscard]] std::string to_markdown(const Table& table);  // GitHub's tables

}  // namespace vitals
