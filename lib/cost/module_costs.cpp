#include "cost/module_costs.h"

#include "cost/macs.h"
#include "cost/traffic.h"

#include <string_view>
#include <unordered_map>

namespace vitals {

ModuleCosts module_costs(const Graph& graph) {
  return {macs_by_module(graph),
          roll_up_nodes(graph, [&](const Node& node) { return bytes_moved(graph, node); })};
}

Rollup training_by_module(const Graph& training, ActivationCheckpointing checkpoint,
                          const Graph& graph) {
  std::unordered_map<std::string_view, ModuleId> by_path;
  for (ModuleId id = 0; id < graph.modules.size(); ++id) by_path[graph.modules[id].path] = id;
  // Parents come first, so the module above has been found already.
  std::vector<ModuleId> place(training.modules.size());
  for (ModuleId id = 0; id < training.modules.size(); ++id) {
    const auto& module = training.modules[id];
    const auto found = by_path.find(module.path);
    place[id] = found != by_path.end() ? found->second : place[module.parent];
  }
  std::vector<Count> own(graph.modules.size());
  visit_training(training, checkpoint, [&](const Node& node, const TrainingFormulas& f) {
    own[place[training.calls[node.call].module]] += f.flops().total();
  });
  return roll_up_modules(graph, std::move(own));
}

}  // namespace vitals
