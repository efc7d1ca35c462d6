// A table by module: the lines of the module tree, and a column for every figure. Knows no
// quantity.
#pragma once

#include "cost/rollup.h"
#include "report/module_tree.h"
#include "report/text/table.h"

#include <functional>
#include <string>
#include <vector>

namespace vitals {

// What a line has of a quantity.
using LinePart = std::function<Count(const TreeLine&)>;
// Of what ops do: a line of own ops has the module's own part, a parameter's line none. `sums` must
// outlive the result, here and below.
[[nodiscard]] LinePart of_ops(const Rollup& sums);
// Of what parameters hold: a line of own ops has none.
[[nodiscard]] LinePart of_params(const Rollup& sums, std::function<Count(ParamId)> of_one);

struct ModuleColumn {
  Column head;
  std::function<std::string(const TreeLine&)> cell;
};
// As `text` writes it, "-" where there is none.
[[nodiscard]] ModuleColumn figure_column(std::string title, LinePart part,
                                         std::string (*text)(Count));
// In all that the line stands for together.
[[nodiscard]] ModuleColumn share_column(LinePart part, Count whole);

// A row a line: the module, its type, the columns; a note where lines are folded.
[[nodiscard]] Table module_table(const Graph& graph, const std::vector<TreeLine>& lines,
                                 const std::vector<ModuleColumn>& columns);

// The lines of modules and of their own ops: parameters do no work.
[[nodiscard]] std::vector<TreeLine> work_lines(const Graph& graph, const TreeOptions& options,
                                               const OwnFigures& own);

}  // namespace vitals
