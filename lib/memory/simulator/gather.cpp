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
  auto whole = options;
  whole.zero = {};
  for (ParamId id = 0; id < graph.params.size(); ++id)
    if (used[id]) bytes_[unit_of_[graph.params[id].module]] += weight_bytes(graph, id, whole);
}

void Gatherer::begin() {
  if (!unit_of_.empty()) root_ = memory_.allocate(bytes_[0], Kind::workspace);
}

void Gatherer::enter(ModuleId module) {
  if (unit_of_.empty() || module >= unit_of_.size() || unit_of_[module] == unit_) return;
  current_ = nullptr;
  unit_ = unit_of_[module];
  if (unit_ != 0) current_ = memory_.allocate(bytes_[unit_], Kind::workspace);
}

void Gatherer::end() {
  current_ = nullptr;
  root_ = nullptr;
  unit_ = 0;
}

}  // namespace vitals::eager
