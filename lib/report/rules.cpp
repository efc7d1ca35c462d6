#include "report/rules.h"

#include "report/figures.h"
#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

constexpr const char* kLayerTypes = "layer types";

std::vector<std::string> split(const std::string& text, std::string_view separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (auto end = text.find(separator); end != std::string::npos;
       end = text.find(separator, begin)) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

bool is_number(const std::string& factor) {
  return factor.find_first_not_of("0123456789") == std::string::npos;
}

// "12 x l x h x h" -> "12lh^2".
std::string product_as_in_papers(const std::string& product) {
  std::string number;
  std::string letters;
  const auto factors = split(product, " x ");
  for (std::size_t i = 0; i < factors.size();) {
    std::size_t power = 1;
    while (i + power < factors.size() && factors[i + power] == factors[i]) ++power;
    auto& text = is_number(factors[i]) ? number : letters;
    text += factors[i];
    if (power > 1) text += fmt::format("^{}", power);
    i += power;
  }
  return number + letters;
}

bool is_layer_type(const FieldRule& line) { return line.section == kLayerTypes; }

std::vector<FieldRule> lines_of(const FieldRules& rules, bool layer_types) {
  std::vector<FieldRule> lines;
  for (const auto& line : rules.lines)
    if (is_layer_type(line) == layer_types) lines.push_back(line);
  return lines;
}

std::optional<double> ratio(const FieldRule& line) {
  if (!line.exact || line.rule.empty() || *line.exact == Count(0)) return std::nullopt;
  return line.rule.value().as_double() / line.exact->as_double();
}

FigureValue value_of(const std::optional<double>& number) {
  if (!number) return {};
  return *number;
}

FigureValue value_of(std::string text) {
  if (text.empty()) return {};
  return text;
}

FigureText in_units() {
  return [](const FigureValue& value) {
    const auto* count = std::get_if<Count>(&value);
    return count != nullptr ? si(*count) : plain(value);
  };
}

using RuleColumn = FigureColumn<FieldRule>;

const RuleColumn kSection{{"section", "section", "", plain, plain, false},
                          [](const auto& line) { return line.section; }};

RuleColumn quantity(const char* title) {
  return {{"quantity", "quantity", title, plain, plain, false},
          [](const auto& line) { return line.quantity; }};
}

RuleColumn rule(const char* title) {
  return {{"rule", "rule", title, plain, plain, false},
          [](const auto& line) { return value_of(as_in_papers(line.rule)); }};
}

RuleColumn by_rule(const char* title) {
  return {{"by_rule", "by_rule", title, in_units()}, [](const auto& line) -> FigureValue {
            if (line.rule.empty()) return {};
            return line.rule.value();
          }};
}

std::vector<RuleColumn> rule_figures() {
  return {kSection,
          {{"", "", "of", plain, plain, false},
           [](const auto& line) { return line.section + ": " + line.quantity; }},
          quantity(""),
          rule("rule"),
          {{"numbers", "numbers", "", plain, plain, false},
           [](const auto& line) { return value_of(line.rule.numbers()); }},
          by_rule("by the rule"),
          {{"exact", "exact", "exact", in_units()},
           [](const auto& line) -> FigureValue {
             if (!line.exact) return {};
             return *line.exact;
           }},
          {{"ratio", "ratio", "rule/exact", decimals(3), decimals(6)},
           [](const auto& line) { return value_of(ratio(line)); }},
          {{"unit", "unit", "", plain, plain, false},
           [](const auto& line) { return std::string(name_of(line.unit)); }},
          {{"remark", "remark", "what differs", plain, plain, false},
           [](const auto& line) { return value_of(line.remark); }},
          {{"source", "source", "", plain, plain, false},
           [](const auto& line) { return line.source; }}};
}

// `first`: operations of self-attention, which the others are compared with.
std::vector<RuleColumn> layer_type_figures(double first) {
  return {kSection,
          quantity("layer type"),
          rule("operations"),
          by_rule("operations"),
          {{"ratio", "ratio", "to self-attention", decimals(3), decimals(6)},
           [first](const auto& line) { return line.rule.value().as_double() / first; }},
          {{"sequential_operations", "sequential_operations", "sequential operations"},
           [](const auto& line) { return value_of(line.sequential); }},
          {{"maximum_path_length", "maximum_path_length", "longest path"},
           [](const auto& line) { return value_of(line.path); }},
          {{"remark", "remark", "", plain, plain, false},
           [](const auto& line) { return value_of(line.remark); }},
          {{"source", "source", "", plain, plain, false},
           [](const auto& line) { return line.source; }}};
}

Figures rules_of(const FieldRules& rules) {
  return figures_of(rule_figures(), lines_of(rules, false));
}

Figures layer_types_of(const FieldRules& rules) {
  const auto lines = lines_of(rules, true);
  return figures_of(layer_type_figures(lines.front().rule.value().as_double()), lines);
}

}  // namespace

std::string as_in_papers(const Formula& formula) {
  if (formula.empty()) return "";
  std::string text;
  for (const auto& product : split(formula.symbols(), " + "))
    text += (text.empty() ? "" : " + ") + product_as_in_papers(product);
  return text;
}

Table field_rules_table(const FieldRules& rules) {
  auto table = table_of(rules_of(rules));
  table.notes = rules.notes;
  return table;
}

Table layer_types_table(const FieldRules& rules) {
  auto table = table_of(layer_types_of(rules));
  for (const auto& line : lines_of(rules, true))
    if (!line.remark.empty()) table.notes.push_back(line.quantity + ": " + line.remark + ".");
  return table;
}

// The layer types follow the rules; what the ones have and the others lack stays empty.
Table field_rules_numbers(const FieldRules& rules) {
  auto table = numbers_of(rules_of(rules));
  const auto types = numbers_of(layer_types_of(rules));
  for (const auto& column : types.columns)
    if (std::none_of(table.columns.begin(), table.columns.end(),
                     [&](const Column& c) { return c.title == column.title; }))
      table.columns.push_back(column);
  for (auto& row : table.rows) row.resize(table.columns.size());
  for (const auto& values : types.rows) {
    auto& row = table.rows.emplace_back(table.columns.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      for (std::size_t c = 0; c < table.columns.size(); ++c)
        if (table.columns[c].title == types.columns[i].title) row[c] = values[i];
  }
  return table;
}

nlohmann::ordered_json field_rules_json(const FieldRules& rules, const std::string& model) {
  const auto& z = rules.sizes;
  return {{"schema_version", 1},
          {"model", model},
          {"sizes",
           {{"layers", z.layers},
            {"hidden", z.hidden},
            {"heads", z.heads},
            {"kv_heads", z.kv_heads},
            {"tokens", z.tokens},
            {"batch", z.batch},
            {"vocab", z.vocab},
            {"equal_layers", rules.equal_layers}}},
          {"rules", json_of(rules_of(rules))},
          {"layer_types", json_of(layer_types_of(rules))},
          {"notes", rules.notes}};
}

}  // namespace vitals
