// Sums of a quantity over the module tree. Children, a module's own part and totals are related
// here and nowhere else, so that every table sums.
#pragma once

#include "graph/graph.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vitals {

// A quantity by module: its own part (its own ops or parameters) and the whole below it.
struct Rollup {
  std::vector<Count> own;    // by ModuleId
  std::vector<Count> total;  // own + all modules below

  [[nodiscard]] Count sum() const { return total.front(); }
};

// Sums a quantity of nodes into the modules whose calls they belong to.
[[nodiscard]] Rollup roll_up_nodes(const Graph& graph,
                                   const std::function<Count(const Node&)>& quantity);
[[nodiscard]] Rollup roll_up_modules(const Graph& graph, std::vector<Count> own);

// Parameters and buffers as model.parameters() lists them: a module's own, then its children's.
[[nodiscard]] std::vector<ParamId> parameters_in_order(const Graph& graph);

// Number of parameters; buffers do not count, tied ones count where they are owned.
[[nodiscard]] Rollup parameters(const Graph& graph);
// Bytes of a checkpoint in fp32: parameters, and buffers in the type that they keep.
[[nodiscard]] Rollup stored_bytes(const Graph& graph);
// How many of them are trained.
[[nodiscard]] Count trainable_parameters(const Graph& graph);
// Those that work for one token: of the experts only as many as a router chooses.
[[nodiscard]] Count active_parameters(const Graph& graph);
[[nodiscard]] Rollup macs_by_module(const Graph& graph);

// The children of every module, in order; index by ModuleId.
[[nodiscard]] std::vector<std::vector<ModuleId>> children_of(const Graph& graph);

// The output shapes of each module's last call (several for a tuple, none when it is never called).
[[nodiscard]] std::vector<std::vector<Shape>> output_shapes(const Graph& graph);

// Parameters by the model's own parameters and its child modules: {"cls_token", 768}, ...
[[nodiscard]] std::vector<std::pair<std::string, Count>> params_by_child(const Graph& graph,
                                                                         const Rollup& params);

}  // namespace vitals
