// A table as data, and its three forms: aligned text, CSV, Markdown. Formatting only.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace vitals {

struct Column {
  std::string title;
  bool right = false;  // numbers are aligned to the right
  bool share = false;  // its cells are percentages of one whole, "12.3 %" or "-"
};

// The column of shares that many tables have.
inline const Column kShareColumn{"share", true, true};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> notes;  // sentences below the table; CSV has no place for them
  std::size_t keys = 1;            // leading columns that name a row
};

// How text stands on a terminal.
struct TextLayout {
  std::size_t width = 0;  // columns; 0: no limit
  bool bars = false;      // a bar of block characters beside every share, where there is room
};

// A table that is wider than the layout is folded: titles and texts go on below, numbers stay
// whole. Where that is not enough, the columns that find no place follow in a table of their own,
// beside those that name the rows. No line is wider, and nothing is left out.
[[nodiscard]] std::string to_text(const Table& table, const TextLayout& layout = {});
[[nodiscard]] std::string to_csv(const Table& table);       // RFC 4180
[[nodiscard]] std::string to_markdown(const Table& table);  // GitHub's tables

}  // namespace vitals
