// What the layers of a model are made of, by role: parameters and MACs of attention, feed-forward
// and norms. Knows roles, no architecture.
#pragma once

#include "core/count.h"
#include "graph/graph.h"

#include <vector>

namespace vitals {

struct LayerParts {
  Count attention;  // projections
  Count scores;     // attention's two products; no parameters
  Count feed_forward;
  Count norms;
  Count other;

  [[nodiscard]] Count sum() const { return attention + scores + feed_forward + norms + other; }
};

struct LayerCosts {
  ModuleId module = 0;
  LayerParts params;
  LayerParts macs;
};

// The modules with the role `layer`, in order, each with all that is below it.
[[nodiscard]] std::vector<LayerCosts> layers_of(const Graph& graph);

}  // namespace vitals
