#include "frontends/sweep/results.h"

#include "core/csv.h"
#include "core/error.h"
#include "report/text/safe_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

using RowJson = nlohmann::ordered_json;

std::vector<std::string> row_columns(const Sweep& sweep) {
  std::vector<std::string> columns = {"point", "model"};
  for (const auto& axis : sweep.axes) columns.push_back(axis.name);
  columns.insert(columns.end(), sweep.figures.begin(), sweep.figures.end());
  columns.emplace_back("error");
  return columns;
}

// A string without its quotes.
std::string plain_value(const std::string& json_text) {
  const auto value = nlohmann::json::parse(json_text);
  return value.is_string() ? value.get<std::string>() : json_text;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (const auto& cell : cells) line += (&cell == cells.data() ? "" : ",") + csv_cell(cell);
  return line + "\n";
}

// What comes before the figures of a row.
std::vector<std::string> row_key(const Sweep& sweep, std::uint64_t index) {
  const auto point = sweep_point(sweep, index);
  std::vector<std::string> key = {std::to_string(index), sweep.models[point.model]};
  for (std::size_t i = 0; i < sweep.axes.size(); ++i)
    key.push_back(plain_value(sweep.axes[i].values[point.values[i]]));
  return key;
}

std::string json_line(const Sweep& sweep, const SweepRow& row) {
  const auto point = sweep_point(sweep, row.point);
  RowJson object = {{"point", row.point}, {"model", sweep.models[point.model]}};
  for (std::size_t i = 0; i < sweep.axes.size(); ++i)
    object[sweep.axes[i].name] = RowJson::parse(sweep.axes[i].values[point.values[i]]);
  for (std::size_t i = 0; i < sweep.figures.size(); ++i)
    object[sweep.figures[i]] = row.figures[i].empty() ? RowJson() : RowJson::parse(row.figures[i]);
  if (!row.error.empty()) object["error"] = row.error;
  return object.dump(-1, ' ', false, RowJson::error_handler_t::replace) + "\n";
}

// The cells of a line of JSON, as the other format has them.
std::vector<std::string> cells_of_json(const std::string& line, const Sweep& sweep,
                                       const std::string& at) {
  const auto object = RowJson::parse(line, nullptr, false);
  if (!object.is_object()) fail("{}: is no JSON object", at);
  const auto columns = row_columns(sweep);
  std::vector<std::string> cells;
  for (const auto& name : columns) {
    const auto it = object.find(name);
    if (it == object.end() && name != "error") fail("{}: '{}' is missing", at, name);
    if (it == object.end() || (it->is_null() && cells.size() >= 2 + sweep.axes.size()))
      cells.emplace_back();
    else
      cells.push_back(it->is_string() ? it->get<std::string>() : it->dump());
  }
  for (const auto& [key, value] : object.items())
    if (std::find(columns.begin(), columns.end(), key) == columns.end())
      fail("{}: '{}' is no column of this sweep", at, key);
  return cells;
}

// As it is read back: a cell of CSV has its control characters spelt out.
std::vector<std::string> read_key(const Sweep& sweep, std::uint64_t index, RowFormat format) {
  auto key = row_key(sweep, index);
  return format == RowFormat::csv ? parse_csv(csv_line(key), "").header : key;
}

SweepRow row_of(const std::vector<std::string>& cells, const Sweep& sweep, RowFormat format,
                const std::string& at) {
  SweepRow row;
  const bool number = !cells[0].empty() && cells[0].size() < 19 &&
                      cells[0].find_first_not_of("0123456789") == std::string::npos;
  if (!number) fail("{}: '{}' is no point's number", at, cells[0]);
  row.point = std::stoull(cells[0]);
  if (Count(row.point) >= sweep.points())
    fail("{}: there is no point {}: the sweep has {}", at, row.point, sweep.points().value());
  const auto key = read_key(sweep, row.point, format);
  const auto columns = row_columns(sweep);
  for (std::size_t i = 0; i < key.size(); ++i)
    if (cells[i] != key[i])
      fail("{}: is not of this sweep: {} is '{}', point {} has '{}'", at, columns[i], cells[i],
           row.point, key[i]);
  const auto first = cells.begin() + static_cast<std::ptrdiff_t>(key.size());
  row.figures.assign(first, cells.end() - 1);
  row.error = cells.back();
  return row;
}

SweepRows read_csv_rows(const std::string& text, const Sweep& sweep, const std::string& source) {
  const auto table = parse_csv(text, source);
  if (table.header != row_columns(sweep))
    fail("{}: line 1: has other columns than this sweep: it is of another one", source);
  SweepRows all;
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    all.rows.push_back(row_of(table.rows[i], sweep, RowFormat::csv,
                              fmt::format("{}: line {}", source, table.lines[i])));
  return all;
}

SweepRows read_json_rows(const std::string& text, const Sweep& sweep, const std::string& source) {
  SweepRows all;
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const auto end = text.find('\n', begin);
    const auto at = fmt::format("{}: line {}", source, number);
    all.rows.push_back(row_of(cells_of_json(text.substr(begin, end - begin), sweep, at), sweep,
                              RowFormat::jsonl, at));
    begin = end + 1;
  }
  return all;
}

}  // namespace

std::string header_text(const Sweep& sweep, RowFormat format) {
  return format == RowFormat::csv ? csv_line(row_columns(sweep)) : "";
}

std::string row_text(const Sweep& sweep, const SweepRow& row, RowFormat format) {
  if (format == RowFormat::jsonl) return json_line(sweep, row);
  auto cells = row_key(sweep, row.point);
  cells.insert(cells.end(), row.figures.begin(), row.figures.end());
  cells.push_back(row.error);
  return csv_line(cells);
}

SweepRows read_rows(const std::string& text, const Sweep& sweep, RowFormat format,
                    const std::string& source) {
  const auto end = text.rfind('\n');
  const auto whole = end == std::string::npos ? std::string() : text.substr(0, end + 1);
  if (whole.empty()) {
    // What a run leaves that was killed in its first line, and nothing else.
    const auto first = header_text(sweep, format);
    if (format == RowFormat::csv && !first.starts_with(text))
      fail("{}: line 1: has other columns than this sweep: it is of another one", source);
    if (format == RowFormat::jsonl && !text.empty() && text.front() != '{')
      fail("{}: line 1: is no JSON object", source);
    return {};
  }
  auto all = format == RowFormat::csv ? read_csv_rows(whole, sweep, source)
                                      : read_json_rows(whole, sweep, source);
  all.bytes = whole.size();
  return all;
}

std::vector<SweepRow> merged_rows(std::vector<SweepRow> rows, const Sweep& sweep) {
  std::stable_sort(rows.begin(), rows.end(),
                   [](const SweepRow& a, const SweepRow& b) { return a.point < b.point; });
  for (std::size_t i = 1; i < rows.size(); ++i)
    if (rows[i - 1].point == rows[i].point && !(rows[i - 1] == rows[i]))
      fail("point {} has different figures in two files", rows[i].point);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  const auto all = sweep.points().value();
  if (rows.size() == all) return rows;
  std::uint64_t first = 0;
  while (first < rows.size() && rows[first].point == first) ++first;
  fail("{} of {} points are missing, the first is point {}: run their shards to the end",
       all - rows.size(), all, first);
}

}  // namespace vitals
