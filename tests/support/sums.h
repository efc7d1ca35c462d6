// What holds of every quantity of every model.
#pragma once

#include "cost/rollup.h"

#include <optional>

namespace vitals::test {

// The first module whose total is not its own figure and its children's; null where all sum.
[[nodiscard]] inline std::optional<ModuleId> unbalanced(const Graph& graph, const Rollup& rollup) {
  const auto children = children_of(graph);
  for (ModuleId id = 0; id < graph.modules.size(); ++id) {
    auto sum = rollup.own[id];
    for (const auto child : children[id]) sum += rollup.total[child];
    if (sum != rollup.total[id]) return id;
  }
  return std::nullopt;
}

}  // namespace vitals::test
