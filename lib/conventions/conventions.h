// What other tools count, each by its own rule over the same trace, so that every published number
// can be reproduced and explained. A convention is data: a name, a unit, one sentence, a source and
// the items that it counts. The command line, JSON, the documentation and --explain all read it.
#pragma once

#include "cost/formula.h"
#include "cost/rollup.h"
#include "graph/graph.h"

#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace vitals {

// One thing that a convention counts.
struct CountedItem {
  ModuleId module = 0;
  std::string_view kind;  // the tool's own word for it: "conv", "layer_norm", "Linear"
  Formula formula;
  std::string_view source = {};  // of this item alone; empty: the convention's
};

struct Convention {
  std::string_view name;
  std::string_view unit;      // "MACs" or "FLOPs"
  std::string_view sentence;  // what it counts and what it leaves out
  std::string_view source;
  void (*visit)(const Graph&, const std::function<void(const CountedItem&)>&) = nullptr;
  bool (*applies)(const Graph&) = nullptr;
};

[[nodiscard]] std::span<const Convention> conventions();
[[nodiscard]] const Convention* find_convention(std::string_view name);  // null: unknown

// fvcore's ActivationCountAnalysis: elements that convolutions, linear layers and matrix products
// put out. Not among conventions(), since it counts no operations.
[[nodiscard]] const Convention& fvcore_activations();

// Nothing where the convention does not apply to the model.
[[nodiscard]] std::optional<Count> total(const Convention& convention, const Graph& graph);

// By module; a rule of thumb for the whole model is the model's own part.
[[nodiscard]] Rollup roll_up(const Convention& convention, const Graph& graph);

// By the tool's own kinds, in order of first use. Sums to the total.
[[nodiscard]] std::vector<std::pair<std::string_view, Count>> by_kind(const Convention& convention,
                                                                      const Graph& graph);

}  // namespace vitals
