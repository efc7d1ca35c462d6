#include "cost/rollup.h"

#include "cost/macs.h"

namespace vitals {

Rollup roll_up_modules(const Graph& graph, std::vector<Count> own) {
  Rollup r{std::move(own), {}};
  r.total = r.own;
  // Parents come before their children, so one walk from the back completes every sum.
  for (auto id = graph.modules.size(); id-- > 1;) {
    try {
      r.total[graph.modules[id].parent] += r.total[id];
    } catch (const Error& error) {
      throw error.within(graph.modules[graph.modules[id].parent].path);
    }
  }
  return r;
}

Rollup roll_up_nodes(const Graph& graph, const std::function<Count(const Node&)>& quantity) {
  std::vector<Count> own(graph.modules.size());
  for (const auto& node : graph.nodes) {
    const auto module = graph.calls[node.call].module;
    try {
      own[module] += quantity(node);
    } catch (const Error& error) {
      throw error.within(graph.modules[module].path);
    }
  }
  return roll_up_modules(graph, std::move(own));
}

Rollup stored_bytes(const Graph& graph) {
  std::vector<Count> own(graph.modules.size());
  for (const auto& param : graph.params)
    own[param.module] += numel(param) * size_of(param.dtype.value_or(DType::f32));
  return roll_up_modules(graph, std::move(own));
}

Rollup parameters(const Graph& graph) {
  std::vector<Count> own(graph.modules.size());
  for (const auto& param : graph.params) {
    if (param.buffer) continue;
    own[param.module] += numel(param);  // fits: the builder has summed them all
  }
  return roll_up_modules(graph, std::move(own));
}

Count trainable_parameters(const Graph& graph) {
  Count n;
  for (const auto& param : graph.params)
    if (learns(param)) n += numel(param);
  return n;
}

Count active_parameters(const Graph& graph) {
  Count idle;
  std::vector<bool> seen(graph.params.size());
  for (const auto& node : graph.nodes) {
    const auto* experts = std::get_if<op::ExpertLinear>(&node.op);
    if (experts == nullptr) continue;
    for (const auto id : node.params) {
      if (id == kNone || seen[id]) continue;
      seen[id] = true;
      idle += numel(graph.params[id]) / experts->experts * (experts->experts - experts->active);
    }
  }
  return parameters(graph).sum() - idle;
}

Rollup macs_by_module(const Graph& graph) {
  return roll_up_nodes(graph, [&](const Node& node) { return macs(graph, node); });
}

std::vector<std::vector<ModuleId>> children_of(const Graph& graph) {
  std::vector<std::vector<ModuleId>> children(graph.modules.size());
  for (ModuleId id = 1; id < graph.modules.size(); ++id)
    children[graph.modules[id].parent].push_back(id);
  return children;
}

std::vector<ParamId> parameters_in_order(const Graph& graph) {
  const auto children = children_of(graph);
  std::vector<ParamId> order;
  std::vector<ModuleId> open{0};
  while (!open.empty()) {
    const auto id = open.back();
    open.pop_back();
    order.insert(order.end(), graph.modules[id].params.begin(), graph.modules[id].params.end());
    open.insert(open.end(), children[id].rbegin(), children[id].rend());
  }
  return order;
}

std::vector<std::vector<Shape>> output_shapes(const Graph& graph) {
  std::vector<std::vector<Shape>> shapes(graph.modules.size());
  for (const auto& call : graph.calls) {
    auto& own = shapes[call.module];
    own.clear();
    for (auto id : call.outputs) own.push_back(graph.nodes[id].shape);
  }
  return shapes;
}

std::vector<std::pair<std::string, Count>> params_by_child(const Graph& graph,
                                                           const Rollup& params) {
  std::vector<std::pair<std::string, Count>> children;
  for (auto id : graph.modules[0].params)
    if (!graph.params[id].buffer)
      children.emplace_back(graph.params[id].name, numel(graph.params[id]));
  for (ModuleId id = 1; id < graph.modules.size(); ++id)
    if (graph.modules[id].parent == 0)
      children.emplace_back(graph.modules[id].path, params.total[id]);
  return children;
}

}  // namespace vitals
