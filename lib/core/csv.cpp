#include "core/csv.h"

#include "core/error.h"

#include <algorithm>

namespace vitals {
namespace {

// Reads one record after the other; a quoted cell may hold line ends.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& source) : text_(text), source_(source) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text_.substr(0, 3) == kByteOrderMark) at_ = 3;
  }
  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] std::size_t line() const { return line_; }

  std::vector<std::string> record() {
    std::vector<std::string> cells(1);
    while (!done()) {
      const char c = text_[at_++];
      if (c == '"' && cells.back().empty()) {
        quoted(cells.back());
      } else if (c == ',') {
        cells.emplace_back();
      } else if (c == '\n') {
        ++line_;
        break;
      } else if (c != '\r') {
        cells.back() += c;
      }
    }
    return cells;
  }

 private:
  void quoted(std::string& cell) {
    const auto begun = line_;
    while (!done()) {
      const char c = text_[at_++];
      if (c == '\n') ++line_;
      if (c != '"') {
        cell += c;
      } else if (!done() && text_[at_] == '"') {
        cell += '"';
        ++at_;
      } else {
        return;
      }
    }
    fail("{}: line {}: a quoted cell does not end", source_, begun);
  }

  std::string_view text_;
  const std::string& source_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

std::size_t CsvTable::column(std::string_view name) const {
  return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
}

CsvTable parse_csv(std::string_view text, const std::string& source) {
  CsvReader reader(text, source);
  CsvTable table;
  if (reader.done()) fail("{}: is empty; expected a header line", source);
  table.header = reader.record();
  while (!reader.done()) {
    const auto line = reader.line();
    auto cells = reader.record();
    if (cells.size() == 1 && cells[0].empty()) continue;
    if (cells.size() != table.header.size())
      fail("{}: line {}: expected {} cells, got {}", source, line, table.header.size(),
           cells.size());
    table.rows.push_back(std::move(cells));
    table.lines.push_back(line);
  }
  return table;
}

}  // namespace vitals
