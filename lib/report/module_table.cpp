#include "report/module_table.h"

#include "report/text/units.h"

#include <algorithm>
#include <utility>

namespace vitals {

LinePart of_ops(const Rollup& sums) {
  return [&sums](const TreeLine& line) {
    if (line.param != kNone) return Count(0);
    return (line.own_ops ? sums.own : sums.total)[line.module];
  };
}

LinePart of_params(const Rollup& sums, std::function<Count(ParamId)> of_one) {
  return [&sums, of_one = std::move(of_one)](const TreeLine& line) {
    if (line.param != kNone) return of_one(line.param);
    return line.own_ops ? Count(0) : sums.total[line.module];
  };
}

ModuleColumn figure_column(std::string title, LinePart part, std::string (*text)(Count)) {
  return {{std::move(title), true}, [part = std::move(part), text](const TreeLine& line) {
            const auto n = part(line);
            return or_dash(n, text(n));
          }};
}

ModuleColumn share_column(LinePart part, Count whole) {
  return {kShareColumn, [part = std::move(part), whole](const TreeLine& line) {
            return share_text(part(line), whole, line.times);
          }};
}

Table module_table(const Graph& graph, const std::vector<TreeLine>& lines,
                   const std::vector<ModuleColumn>& columns) {
  Table table{{{"module"}, {"type"}}, {}, {}};
  for (const auto& column : columns) table.columns.push_back(column.head);
  for (const auto& line : lines) {
    std::vector<std::string> row = {std::string(2 * line.level, ' ') + line.label,
                                    line.param != kNone ? "Parameter"
                                    : line.own_ops      ? ""
                                                        : graph.modules[line.module].type};
    for (const auto& column : columns) row.push_back(column.cell(line));
    table.rows.push_back(std::move(row));
  }
  if (std::any_of(lines.begin(), lines.end(), [](const TreeLine& l) { return l.repeat > 1; }))
    table.notes.emplace_back(kFoldNote);
  return table;
}

std::vector<TreeLine> work_lines(const Graph& graph, const TreeOptions& options,
                                 const OwnFigures& own) {
  auto lines = tree_lines(graph, options, own);
  std::erase_if(lines, [](const TreeLine& line) { return line.param != kNone; });
  return lines;
}

}  // namespace vitals
