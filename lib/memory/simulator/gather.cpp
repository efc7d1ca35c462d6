#include "memory/simulator/gather.h"

#include "graph/blocks.h"

#include <set>
#include <utility>

namespace vitals::eager {

Gatherer::Gatherer(const Graph& graph, const StepOptions& options, Memory& memory)
    : memory_(memory) {
  const bool by_module = options.offload.weights && !options.training;
  if (options.zero.parts(3) == 1 && !by_module) return;
  if (by_module)
    make_modules(graph, options);
  else
    make_units(graph, options);
}

// accelerate/big_modeling.py, cpu_offload: a hook of every module with weights of its own moves
// them in before its forward and out behind it.
void Gatherer::make_modules(const Graph& graph, const StepOptions& options) {
  unit_of_.resize(graph.modules.size());
  bytes_.resize(graph.modules.size() + 1);
  params_.resize(bytes_.size());
  for (ModuleId id = 0; id < graph.modules.size(); ++id) unit_of_[id] = id + 1;
  std::set<std::pair<ModuleId, ParamId>> seen;  // a tied head brings the embedding's table
  for (const auto& node : graph.nodes)
    for (const auto id : node.params) {
      if (id == kNone || !on_host(graph, id, options)) continue;
      const auto module = graph.calls[node.call].module;
      if (seen.emplace(module, id).second)
        bytes_[unit_of_[module]] += gathered_bytes(graph, id, options);
    }
}

void Gatherer::make_units(const Graph& graph, const StepOptions& options) {
  unit_of_.assign(graph.modules.size(), 0);
  std::uint32_t units = 1;
  for (const auto call : block_calls(graph)) {
    auto& unit = unit_of_[graph.calls[call].module];
    if (unit == 0) unit = units++;
  }
  bytes_.resize(units);
  // Parents come first.
  for (ModuleId id = 1; id < graph.modules.size(); ++id)
    if (unit_of_[id] == 0) unit_of_[id] = unit_of_[graph.modules[id].parent];
  const auto used = used_params(graph, options.stage);
  params_.resize(units);
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    if (!used[id]) continue;
    const auto unit = unit_of_[graph.params[id].module];
    bytes_[unit] += gathered_bytes(graph, id, options);
    params_[unit].push_back(id);
  }
}

void Gatherer::begin() {
  if (!unit_of_.empty()) root_ = memory_.allocate(bytes_[0], Kind::workspace);
}

void Gatherer::enter(ModuleId module) {
  if (unit_of_.empty() || module >= unit_of_.size() || unit_of_[module] == unit_) return;
  leave();
  unit_ = unit_of_[module];
  if (unit_ != 0) current_ = memory_.allocate(bytes_[unit_], Kind::workspace);
}

void Gatherer::leave() {
  if (on_leave && unit_ != 0) on_leave(params_[unit_]);
  current_ = nullptr;
  unit_ = 0;
}

void Gatherer::end() {
  if (unit_of_.empty()) return;
  leave();
  if (on_leave) on_leave(params_[0]);
  root_ = nullptr;
}

}  // namespace vitals::eager
