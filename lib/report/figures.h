// A report of rows as data: every figure stated once, with its key, its title, its value and how a
// person reads it. The table for people, the raw numbers of CSV and the JSON follow. Formatting
// only: knows no model and no quantity.
#pragma once

#include "core/count.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace vitals {

// What a figure holds. Nothing at all is "-" in a table, empty in CSV, null in JSON.
using FigureValue =
    std::variant<std::monostate, bool, Count, double, std::string, std::vector<std::uint64_t>>;

// How a value reads in a table, and in CSV where that differs from its digits.
using FigureText = std::function<std::string(const FigureValue&)>;

// As it stands: digits, the text itself, "1x3x224x224".
[[nodiscard]] std::string plain(const FigureValue& value);
// Counts as 86,567,656; other values as they stand.
[[nodiscard]] std::string with_separators(const FigureValue& value);
// Numbers with so many decimals, divided by `unit`: decimals(2, 1e6) writes millions.
[[nodiscard]] FigureText decimals(int digits, double unit = 1);

// One figure of every row.
struct FigureHead {
  std::string key;    // of CSV; empty: not there
  std::string json;   // a path in the row's object, "latency/step_ms"; empty: not there
  std::string title;  // of the table; empty: not there
  FigureText text = plain;
  FigureText digits = plain;  // in CSV
  bool right = true;          // numbers are aligned to the right
};

struct Figures {
  std::vector<FigureHead> heads;
  std::vector<std::vector<FigureValue>> rows;  // a value for each head
};

template <class Row>
struct FigureColumn {
  FigureHead head;
  std::function<FigureValue(const Row&)> value;
};

template <class Row>
[[nodiscard]] Figures figures_of(const std::vector<FigureColumn<Row>>& figures,
                                 const std::vector<Row>& rows) {
  Figures result;
  for (const auto& figure : figures) result.heads.push_back(figure.head);
  for (const auto& row : rows) {
    auto& values = result.rows.emplace_back();
    for (const auto& figure : figures) values.push_back(figure.value(row));
  }
  return result;
}

[[nodiscard]] Table table_of(const Figures& figures);    // for people
[[nodiscard]] Table numbers_of(const Figures& figures);  // for CSV
// An array with an object for each row. Where all of a nested object is unknown, it is null.
[[nodiscard]] nlohmann::ordered_json json_of(const Figures& figures);

}  // namespace vitals
