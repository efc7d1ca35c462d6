// `vitals summary` in its forms: the nested tree, the layer table, JSON.
#pragma once

#include "report/module_tree.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

namespace vitals {

// Nested: module, type, output shape, parameters and their share, MACs. A folded line shows the
// figures of one of its modules; times its count they sum to the parent.
[[nodiscard]] Table summary_tree(const Graph& graph, const TreeOptions& options);

// Flat, one row a module with its own parameters and MACs, which sum to the totals. Raw numbers.
[[nodiscard]] Table summary_layers(const Graph& graph);

[[nodiscard]] nlohmann::ordered_json summary_json(const Graph& graph);

}  // namespace vitals
