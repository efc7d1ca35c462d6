// A table as aligned text, folded to the width of a terminal.
#include "core/text.h"
#include "report/text/table.h"
#include "report/text/wrap.h"

#include <algorithm>
#include <cstdlib>

namespace vitals {
namespace {

constexpr std::size_t kGap = 2;  // blanks between columns

// A column of text is folded to these, as long as columns can move below instead ...
constexpr std::size_t kLeastText = 12;
constexpr std::size_t kEasyText = 30;
// ... and to this where a single number leaves no more.
constexpr std::size_t kLeastBesideNumber = 8;

// ---- bars

constexpr std::size_t kLongestBar = 10;
constexpr std::size_t kShortestBar = 4;
constexpr const char* kLengths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};

// A bar as long as a share of `columns`, padded to all of them.
std::string bar(double share, std::size_t columns) {
  const auto most = 8 * columns;
  auto eighths = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(most));
  if (share > 0) eighths = std::max<std::size_t>(eighths, 1);
  std::string text;
  std::size_t used = 0;
  for (; eighths >= 8; eighths -= 8, ++used) text += kLengths[8];
  if (eighths > 0) ++used;
  return text + kLengths[eighths] + std::string(columns - used, ' ');
}

void add_bars(Table& table, std::size_t column, std::size_t columns) {
  table.columns[column].title += std::string(columns + 1, ' ');
  for (auto& row : table.rows) {
    auto& cell = row[column];
    cell += ' ' + bar(std::strtod(cell.c_str(), nullptr) / 100, columns);
  }
}

// ---- widths

std::size_t natural_width(const Table& table, std::size_t column) {
  auto width = columns_of(table.columns[column].title);
  for (const auto& row : table.rows) width = std::max(width, columns_of(row[column]));
  return width;
}

// Blanks before a cell's text: how deep it stands in a tree.
std::size_t indent_of(const std::string& cell) {
  return std::min(cell.find_first_not_of(' '), cell.size());
}

// The least width that a column is folded to: its numbers stay whole, its texts have `text` columns
// if they fill them.
std::size_t least_width(const Table& table, std::size_t column, std::size_t text = kLeastText) {
  const auto& c = table.columns[column];
  auto least = longest_piece(c.title);
  for (const auto& row : table.rows) {
    const auto& cell = row[column];
    const auto part = indent_of(cell) + longest_piece(cell) + (column == 0 ? 2 : 0);
    least = std::max(least, c.right ? columns_of(cell) : std::min(part, kEasyText));
  }
  if (!c.right) least = std::max(least, text);
  return std::min(least, natural_width(table, column));
}

std::size_t line_width(const std::vector<std::size_t>& widths) {
  auto width = kGap * (widths.size() - 1);
  for (const auto w : widths) width += w;
  return width;
}

// Takes columns of the given kind back, the widest first, until the line fits or nothing is left.
void shrink(const Table& table, std::vector<std::size_t>& widths,
            const std::vector<std::size_t>& least, std::size_t width, bool right) {
  while (line_width(widths) > width) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i)
      if (table.columns[i].right == right && widths[i] > least[i] &&
          (widest == widths.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == widths.size()) return;
    --widths[widest];
  }
}

// Widths for a line of at most `width` columns (0: no limit); more where even that is not possible.
std::vector<std::size_t> fitted(const Table& table, std::size_t width) {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < table.columns.size(); ++i) widths.push_back(natural_width(table, i));
  if (width == 0 || line_width(widths) <= width) return widths;
  std::vector<std::size_t> least;
  for (std::size_t i = 0; i < table.columns.size(); ++i) least.push_back(least_width(table, i));
  shrink(table, widths, least, width, true);  // titles of numbers
  shrink(table, widths, least, width, false);
  for (auto& w : least) w = std::min(w, kLeastBesideNumber);
  shrink(table, widths, least, width, false);
  return widths;
}

// ---- lines

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string fill(width - std::min(width, columns_of(text)), ' ');
  return right ? fill + text : text + fill;
}

// A row: as many lines as its highest cell has. `bottom`: cells stand on the last line.
template <typename CellOf>
void write_row(std::string& text, const Table& table, const std::vector<std::size_t>& widths,
               bool bottom, CellOf cell) {
  std::vector<std::vector<std::string>> cells;
  std::size_t height = 1;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const bool whole = table.columns[i].right && !bottom;
    cells.push_back(whole ? std::vector{cell(i)} : folded(cell(i), widths[i], i == 0 ? 2 : 0));
    height = std::max(height, cells.back().size());
  }
  for (std::size_t row = 0; row < height; ++row) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const auto above = bottom ? height - cells[i].size() : 0;
      const bool here = row >= above && row - above < cells[i].size();
      if (i > 0) line.append(kGap, ' ');
      line += padded(here ? cells[i][row - above] : "", widths[i], table.columns[i].right);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
}

std::string lines_of(const Table& table, std::size_t width) {
  const auto widths = fitted(table, width);
  std::string text;
  write_row(text, table, widths, true, [&](std::size_t i) { return table.columns[i].title; });
  text += std::string(line_width(widths), '-') + '\n';
  for (const auto& row : table.rows)
    write_row(text, table, widths, false, [&](std::size_t i) { return row[i]; });
  return text;
}

// ---- columns that find no place

Table with_columns(const Table& table, const std::vector<std::size_t>& chosen) {
  Table part;
  for (const auto i : chosen) part.columns.push_back(table.columns[i]);
  for (const auto& row : table.rows) {
    part.rows.emplace_back();
    for (const auto i : chosen) part.rows.back().push_back(row[i]);
  }
  return part;
}

using Columns = std::vector<std::size_t>;

// The columns in parts that fit, each with the `keys` first ones, when texts may be folded to
// `text`.
std::vector<Columns> parts_of(const Table& table, std::size_t width, std::size_t keys,
                              std::size_t text) {
  Columns first;
  Columns first_widths;
  for (std::size_t i = 0; i < keys; ++i) {
    first.push_back(i);
    first_widths.push_back(least_width(table, i, text));
  }
  // Where names alone take most of the line, one has to do.
  if (keys > 1 && line_width(first_widths) > width / 2) return parts_of(table, width, 1, text);
  std::vector<Columns> parts = {first};
  auto used = first_widths;
  for (auto i = keys; i < table.columns.size(); ++i) {
    used.push_back(least_width(table, i, text));
    if (line_width(used) > width && parts.back().size() > keys) {
      parts.push_back(first);
      used = first_widths;
      used.push_back(least_width(table, i, text));
    }
    parts.back().push_back(i);
  }
  return parts;
}

// As few parts as can be, and then as little folding.
std::vector<Table> parts_of(const Table& table, std::size_t width) {
  if (width == 0 || line_width(fitted(table, 0)) <= width) return {table};
  auto parts = parts_of(table, width, table.keys, kLeastText);
  const auto few = parts.size();
  for (auto text = kEasyText; text > kLeastText && few > 1; text -= 2) {
    auto easy = parts_of(table, width, table.keys, text);
    if (easy.size() > few) continue;
    parts = std::move(easy);
    break;
  }
  std::vector<Table> tables;
  for (const auto& part : parts) tables.push_back(with_columns(table, part));
  return tables;
}

// The room that a table leaves for bars.
std::size_t bar_room(const Table& table, std::size_t width) {
  if (width == 0) return kLongestBar;
  const auto natural = line_width(fitted(table, 0)) + 1;
  return natural >= width ? 0 : std::min(kLongestBar, width - natural);
}

// A name with a line end in it stays one line.
Table with_safe_cells(Table table) {
  for (auto& row : table.rows)
    for (auto& cell : row)
      if (!is_printable_line(cell)) cell = printable_line(cell);
  return table;
}

}  // namespace

std::string to_text(const Table& unsafe, const TextLayout& layout) {
  const auto table = with_safe_cells(unsafe);
  std::string text;
  for (auto& part : parts_of(table, layout.width)) {
    if (!text.empty()) text += '\n';
    const auto room = layout.bars ? bar_room(part, layout.width) : 0;
    for (std::size_t i = 0; i < part.columns.size() && room >= kShortestBar; ++i)
      if (part.columns[i].share) add_bars(part, i, room);
    text += lines_of(part, layout.width);
  }
  for (const auto& note : table.notes) text += wrapped(note + '\n', layout.width);
  return text;
}

}  // namespace vitals
