// Tables in comma-separated values (RFC 4180): a header, then rows with as many cells. Cells may be
// quoted. Knows no column by name.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

struct CsvTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::size_t> lines;  // on which each row begins, from 1

  // The place of a column; header.size() where there is none.
  [[nodiscard]] std::size_t column(std::string_view name) const;
};

// `source` is the file's name in messages. Throws Error that names the line.
[[nodiscard]] CsvTable parse_csv(std::string_view text, const std::string& source);

}  // namespace vitals
