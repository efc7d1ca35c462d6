// When the values of a trace lose their last name in Python. Knows frames, no bytes.
#pragma once

#include "graph/graph.h"

#include <vector>

namespace vitals::eager {

// Values by the node after which they die. A value dies with its last use, but not before the
// return of a module call that got it as an argument (nn.Module._call_impl holds its arguments), or
// whose frame binds it to a name for good. The model's outputs are not in the list.
[[nodiscard]] std::vector<std::vector<NodeId>> dying_after(const Graph& graph);

}  // namespace vitals::eager
