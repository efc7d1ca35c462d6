// `vitals summary` in its forms: the nested tree, the layer table, JSON.
#pragma once

#include "graph/stored_weights.h"
#include "report/module_tree.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

// Nested: module, type, output shape, parameters and their share, MACs. A folded line shows the
// figures of one of its modules; times its count they sum to the parent. `stored`: what a file
// stores of the parameters, or null.
[[nodiscard]] Table summary_tree(const Graph& graph, const TreeOptions& options,
                                 const StoredWeights* stored = nullptr);

// Flat, one row a module with its own parameters and MACs, which sum to the totals. Raw numbers.
[[nodiscard]] Table summary_layers(const Graph& graph);

[[nodiscard]] nlohmann::ordered_json summary_json(const Graph& graph,
                                                  const StoredWeights* stored = nullptr);

}  // namespace vitals
