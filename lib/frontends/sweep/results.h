// What a sweep has computed, a point a row: CSV or JSON Lines, written row by row and read back in
// order to go on. A row says which point it is, and by which values, so that a file of another
// sweep is found out.
#pragma once

#include "sweep/sweep.h"

#include <optional>
#include <string>
#include <vector>

namespace vitals {

enum class RowFormat { csv, jsonl };

struct SweepRow {
  std::uint64_t point = 0;
  // One a figure, as digits; empty where there is none: `error` says why.
  std::vector<std::string> figures;
  std::string error;
  friend bool operator==(const SweepRow&, const SweepRow&) = default;
};

// With its line end. The header is empty for JSON Lines.
[[nodiscard]] std::string header_text(const Sweep& sweep, RowFormat format);
[[nodiscard]] std::string row_text(const Sweep& sweep, const SweepRow& row, RowFormat format);

// The rows of a file; an unfinished last line, which a killed run leaves, is not among them.
struct SweepRows {
  std::vector<SweepRow> rows;
  std::size_t bytes = 0;  // of the text that they take with the header
};
// Throws Error that names the line where a row is not of this sweep.
[[nodiscard]] SweepRows read_rows(const std::string& text, const Sweep& sweep, RowFormat format,
                                  const std::string& source);

// The rows of all shards in the order of points. Throws Error where points are missing or two files
// disagree.
[[nodiscard]] std::vector<SweepRow> merged_rows(std::vector<SweepRow> rows, const Sweep& sweep);

}  // namespace vitals
