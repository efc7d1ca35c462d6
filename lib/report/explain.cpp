#include "report/explain.h"

#include "report/text/units.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

std::string equation(const ExplainedTerm& term) {
  std::string text;
  if (!term.formula.empty() && term.formula != term.numbers) text += term.formula + " = ";
  if (!term.numbers.empty() && term.numbers != fmt::format("{}", term.value))
    text += term.numbers + " = ";
  return text + grouped(term.value);
}

}  // namespace

Table explain_table(const Explanation& explanation) {
  Table table{{{"quantity"}, {"part"}, {"formula = numbers = value"}, {"source"}}, {}, {}};
  for (const auto& quantity : explanation.quantities) {
    for (const auto& term : quantity.terms)
      table.rows.push_back({quantity.name, term.part, equation(term), term.source});
    table.rows.push_back(
        {quantity.name, "= sum", fmt::format("{} {}", grouped(quantity.value), quantity.unit), ""});
  }
  table.notes.emplace_back(
      "Every part with the source \"below\" is a module: `--explain` takes its path as well.");
  return table;
}

Table explain_rows(const Explanation& explanation) {
  Table table{
      {{"quantity"}, {"part"}, {"formula"}, {"numbers"}, {"value", true}, {"unit"}, {"source"}},
      {},
      {}};
  for (const auto& quantity : explanation.quantities)
    for (const auto& term : quantity.terms)
      table.rows.push_back({quantity.name, term.part, term.formula, term.numbers,
                            fmt::format("{}", term.value), quantity.unit, term.source});
  return table;
}

nlohmann::ordered_json explain_json(const Explanation& explanation) {
  using nlohmann::ordered_json;
  ordered_json result = {{"path", explanation.path}, {"type", explanation.type}};
  auto& quantities = result["quantities"] = ordered_json::array();
  for (const auto& quantity : explanation.quantities) {
    auto terms = ordered_json::array();
    for (const auto& term : quantity.terms)
      terms.push_back({{"part", term.part},
                       {"formula", term.formula},
                       {"numbers", term.numbers},
                       {"value", term.value.value()},
                       {"source", term.source}});
    quantities.push_back({{"name", quantity.name},
                          {"unit", quantity.unit},
                          {"value", quantity.value.value()},
                          {"terms", std::move(terms)}});
  }
  return result;
}

}  // namespace vitals
