#include "report/figures.h"

#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::ordered_json;

bool is_unknown(const FigureValue& value) { return std::holds_alternative<std::monostate>(value); }

ordered_json to_json(const FigureValue& value) {
  if (is_unknown(value)) return nullptr;
  if (const auto* count = std::get_if<Count>(&value)) return count->value();
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::get<std::vector<std::uint64_t>>(value);
}

void set(ordered_json& row, const std::string& path, const FigureValue& value) {
  if (is_unknown(value)) {
    const auto first = path.substr(0, path.find('/'));
    if (!row.contains(first)) row[first] = nullptr;
    return;
  }
  row[ordered_json::json_pointer("/" + path)] = to_json(value);
}

Table rows_of(const Figures& figures, std::string FigureHead::*title, FigureText FigureHead::*text,
              const char* unknown) {
  Table table{{}, {}, {}};
  for (const auto& head : figures.heads)
    if (!(head.*title).empty()) table.columns.push_back({head.*title, head.right});
  for (const auto& values : figures.rows) {
    auto& row = table.rows.emplace_back();
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!(figures.heads[i].*title).empty())
        row.push_back(is_unknown(values[i]) ? unknown : (figures.heads[i].*text)(values[i]));
  }
  return table;
}

}  // namespace

std::string plain(const FigureValue& value) {
  if (is_unknown(value)) return "";
  if (const auto* count = std::get_if<Count>(&value)) return fmt::format("{}", *count);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return fmt::format("{}", fmt::join(std::get<std::vector<std::uint64_t>>(value), "x"));
}

std::string with_separators(const FigureValue& value) {
  if (const auto* count = std::get_if<Count>(&value)) return grouped(*count);
  return plain(value);
}

FigureText decimals(int digits, double unit) {
  return [digits, unit](const FigureValue& value) {
    if (const auto* count = std::get_if<Count>(&value))
      return fmt::format("{:.{}f}", count->as_double() / unit, digits);
    if (const auto* number = std::get_if<double>(&value))
      return fmt::format("{:.{}f}", *number / unit, digits);
    return plain(value);
  };
}

Table table_of(const Figures& figures) {
  return rows_of(figures, &FigureHead::title, &FigureHead::text, "-");
}

Table numbers_of(const Figures& figures) {
  auto table = rows_of(figures, &FigureHead::key, &FigureHead::digits, "");
  for (auto& column : table.columns) column.right = false;
  return table;
}

ordered_json json_of(const Figures& figures) {
  auto rows = ordered_json::array();
  for (const auto& values : figures.rows) {
    auto row = ordered_json::object();
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!figures.heads[i].json.empty()) set(row, figures.heads[i].json, values[i]);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace vitals
