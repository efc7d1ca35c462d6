#include "memory/simulator/lifetimes.h"

#include <algorithm>

namespace vitals::eager {

std::vector<std::vector<NodeId>> dying_after(const Graph& graph) {
  std::vector<NodeId> last(graph.nodes.size());
  const auto until = [&](NodeId value, NodeId node) { last[value] = std::max(last[value], node); };
  const auto until_return = [&](NodeId value, const Call& call) {
    if (call.end > call.begin) until(value, call.end - 1);
  };
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    until(id, id);
    for (const auto input : graph.nodes[id].inputs) {
      until(input, id);
      // What a module uses and did not make was handed to it.
      for (auto c = graph.nodes[id].call; c != 0 && graph.calls[c].begin > input;
           c = graph.calls[c].parent)
        until_return(input, graph.calls[c]);
    }
  }
  for (const auto& call : graph.calls) {
    if (call.parent != kNone)
      for (const auto value : call.inputs) until_return(value, call);
    for (const auto value : call.locals) until_return(value, call);
  }
  std::vector<bool> is_output(graph.nodes.size());
  for (const auto id : graph.outputs) is_output[id] = true;
  std::vector<std::vector<NodeId>> dying(graph.nodes.size());
  for (NodeId id = 0; id < graph.nodes.size(); ++id)
    if (!is_output[id]) dying[last[id]].push_back(id);
  return dying;
}

}  // namespace vitals::eager
