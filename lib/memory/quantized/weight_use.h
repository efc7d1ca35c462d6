// How the trace uses each parameter: what quantisers ask besides its role.
#pragma once

#include "graph/graph.h"

#include <vector>

namespace vitals {

struct WeightUse {
  Role role = Role::none;
  std::uint64_t layer = 0;    // of the stack that it stands in
  std::uint64_t columns = 0;  // elements of a row of the matrix: its input features; 0: no matrix
  std::uint64_t experts = 0;  // that the parameter holds; 0: no expert's
  bool tied = false;          // a table of tokens that is the head as well
};

// By ParamId. Matrices are the weights of linear layers and tables of a vocabulary.
[[nodiscard]] std::vector<WeightUse> weight_uses(const Graph& graph);

}  // namespace vitals
