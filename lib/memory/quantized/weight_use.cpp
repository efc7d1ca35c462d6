#include "memory/quantized/weight_use.h"

namespace vitals {

std::vector<WeightUse> weight_uses(const Graph& graph) {
  std::vector<WeightUse> uses(graph.params.size());
  for (ParamId id = 0; id < uses.size(); ++id) {
    const auto& param = graph.params[id];
    const auto layer = graph.modules[param.module].layer;
    uses[id] = {param.role, layer == kNone ? 0 : layer, 0, param.experts, false};
  }
  for (const auto& node : graph.nodes) {
    const auto weight = node.params[0];
    if (weight == kNone) continue;
    auto& use = uses[weight];
    if (const auto* o = std::get_if<op::Linear>(&node.op)) {
      use.columns = o->in;
      use.tied = use.role == Role::embedding;
    } else if (const auto* e = std::get_if<op::ExpertLinear>(&node.op)) {
      use.columns = e->in;
    } else if (const auto* table = std::get_if<op::Embedding>(&node.op)) {
      if (use.role == Role::embedding) use.columns = table->dim;
    }
  }
  return uses;
}

}  // namespace vitals
