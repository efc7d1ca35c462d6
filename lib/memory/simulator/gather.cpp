#include "memory/simulator/gather.h"

#include "graph/blocks.h"

namespace vitals::eager {

Gatherer::Gatherer(const Graph& graph, const StepOptions& options, Memory& memory)
    : memory_(memory) {
  if (options.zero.parts(3) == 1) return;
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
