#include "rules/layer_parts.h"

#include "cost/macs.h"

namespace vitals {
namespace {

// Where parameters of a role are counted.
Count LayerParts::*part_of(Role role) {
  switch (role) {
    case Role::query:
    case Role::key:
    case Role::value:
    case Role::qkv:
    case Role::key_value:
    case Role::query_latent:
    case Role::key_value_latent:
    case Role::attention_output:
      return &LayerParts::attention;
    case Role::gate:
    case Role::up:
    case Role::gate_up:
    case Role::down:
      return &LayerParts::feed_forward;
    case Role::norm:
      return &LayerParts::norms;
    default:
      return &LayerParts::other;
  }
}

Count LayerParts::*part_of(const Graph& graph, const Node& node) {
  if (node.params[0] != kNone) return part_of(graph.params[node.params[0]].role);
  const auto attention = enclosing(graph, graph.calls[node.call].module, Role::attention);
  return attention == kNone ? &LayerParts::other : &LayerParts::scores;
}

}  // namespace

std::vector<LayerCosts> layers_of(const Graph& graph) {
  std::vector<LayerCosts> layers;
  std::vector<std::uint32_t> place(graph.modules.size(), kNone);
  for (ModuleId id = 0; id < graph.modules.size(); ++id) {
    if (graph.modules[id].role == Role::layer) {
      place[id] = static_cast<std::uint32_t>(layers.size());
      layers.push_back({id, {}, {}});
    } else if (graph.modules[id].parent != kNone) {
      place[id] = place[graph.modules[id].parent];
    }
  }
  for (const auto& param : graph.params)
    if (const auto layer = place[param.module]; layer != kNone && !param.buffer)
      layers[layer].params.*part_of(param.role) += numel(param);
  for (const auto& node : graph.nodes)
    if (const auto layer = place[graph.calls[node.call].module]; layer != kNone)
      layers[layer].macs.*part_of(graph, node) += macs(graph, node);
  return layers;
}

}  // namespace vitals
