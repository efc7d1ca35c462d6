// `vitals list-ops`, and how every report says that a model has operators that are not known.
// Formatting only.
#pragma once

#include "graph/graph.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

namespace vitals {

[[nodiscard]] Table op_list(const Graph& graph);          // for people
[[nodiscard]] Table op_list_numbers(const Graph& graph);  // for CSV
[[nodiscard]] nlohmann::ordered_json op_list_json(const Graph& graph);

// Below a table of totals, where they are lower bounds.
void add_lower_bound_note(Table& table, const Graph& graph);
// `unknown_ops` into the answer, and `lower_bound` beside its totals. Both are absent for a model
// without unknown operators, unless it comes from a file that states operators.
void add_unknown_ops(nlohmann::ordered_json& answer, nlohmann::ordered_json& totals,
                     const Graph& graph);

}  // namespace vitals
