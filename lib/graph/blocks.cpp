#include "graph/blocks.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

namespace vitals {
namespace {

// "3" -> "", "layer_3" -> "layer_"; nothing when the name has no number.
std::optional<std::string_view> stem(std::string_view name) {
  const auto last = name.find_last_not_of("0123456789");
  const auto end = last == std::string_view::npos ? 0 : last + 1;
  if (end == name.size()) return std::nullopt;
  return name.substr(0, end);
}

// Does an input of `next` come from an output of `previous`, through ops between the two calls?
bool follows(const Graph& graph, const Call& previous, const Call& next) {
  std::vector<NodeId> open = next.inputs;
  std::set<NodeId> seen;
  while (!open.empty()) {
    const auto value = open.back();
    open.pop_back();
    if (std::find(previous.outputs.begin(), previous.outputs.end(), value) !=
        previous.outputs.end())
      return true;
    if (value < previous.end || !seen.insert(value).second) continue;
    const auto& inputs = graph.nodes[value].inputs;
    open.insert(open.end(), inputs.begin(), inputs.end());
  }
  return false;
}

using Stack = std::vector<CallId>;

// Numbered calls by their list (parent and stem) and type, in order.
std::vector<Stack> numbered_lists(const Graph& graph) {
  std::set<ModuleId> has_children;
  for (const auto& module : graph.modules)
    if (module.parent != kNone) has_children.insert(module.parent);
  std::map<std::tuple<CallId, ModuleId, std::string_view>, Stack> lists;
  for (CallId id = 1; id < graph.calls.size(); ++id) {
    const auto module = graph.calls[id].module;
    const auto name = stem(last_name(graph.modules[module].path));
    if (!name || has_children.count(module) == 0) continue;
    lists[{graph.calls[id].parent, graph.modules[module].parent, *name}].push_back(id);
  }
  std::vector<Stack> result;
  for (auto& [key, calls] : lists) result.push_back(std::move(calls));
  return result;
}

bool is_stack(const Graph& graph, const Stack& calls) {
  const auto& type = graph.modules[graph.calls[calls[0]].module].type;
  for (std::size_t i = 1; i < calls.size(); ++i) {
    const auto& call = graph.calls[calls[i]];
    if (graph.modules[call.module].type != type) return false;
    if (!follows(graph, graph.calls[calls[i - 1]], call)) return false;
  }
  return true;
}

bool within(const Graph& graph, CallId inner, CallId outer) {
  while (inner != kNone && inner > outer) inner = graph.calls[inner].parent;
  return inner == outer;
}

bool holds_stack(const Graph& graph, const Stack& outer, const std::vector<Stack>& stacks) {
  for (const auto& inner : stacks) {
    if (inner.size() < 2 || inner[0] == outer[0]) continue;
    for (const auto call : outer)
      if (within(graph, inner[0], call)) return true;
  }
  return false;
}

bool is_product(const Graph& graph, NodeId id) {
  return std::holds_alternative<op::MatMul>(graph.nodes[id].op);
}

bool same_module(const Graph& graph, NodeId a, NodeId b) {
  return within(graph, graph.nodes[a].call, graph.nodes[b].call) ||
         within(graph, graph.nodes[b].call, graph.nodes[a].call);
}

// The nearest product before or behind a softmax, through elementwise ops.
template <class Next>
std::optional<NodeId> nearest_product(const Graph& graph, NodeId start, const Next& next) {
  std::vector<NodeId> frontier{start};
  std::set<NodeId> seen;
  while (!frontier.empty()) {
    std::vector<NodeId> further;
    for (const auto id : frontier)
      for (const auto neighbour : next(id)) {
        if (!seen.insert(neighbour).second || !same_module(graph, neighbour, start)) continue;
        if (is_product(graph, neighbour)) return neighbour;
        if (!std::holds_alternative<op::Linear>(graph.nodes[neighbour].op))
          further.push_back(neighbour);
      }
    frontier = std::move(further);
  }
  return std::nullopt;
}

// The transposed key, the scaled query and the copies that the product asks for belong to it.
NodeId with_preparation(const Graph& graph, NodeId begin, NodeId end,
                        const std::vector<std::vector<NodeId>>& users) {
  const auto prepares = [&](NodeId id) {
    const auto& op = graph.nodes[id].op;
    const bool kind = std::holds_alternative<op::Permute>(op) ||
                      std::holds_alternative<op::Copy>(op) || std::holds_alternative<op::Scale>(op);
    return kind && std::all_of(users[id].begin(), users[id].end(),
                               [&](NodeId user) { return user >= begin && user < end; });
  };
  while (begin > 0 && prepares(begin - 1)) --begin;
  return begin;
}

}  // namespace

std::vector<CallId> block_calls(const Graph& graph) {
  std::vector<Stack> stacks;
  for (auto& calls : numbered_lists(graph))
    if (is_stack(graph, calls)) stacks.push_back(std::move(calls));
  std::vector<CallId> blocks;
  for (const auto& stack : stacks) {
    // A list of one is a block only where nothing longer stands around it or inside.
    const bool inside_another = std::any_of(stacks.begin(), stacks.end(), [&](const Stack& outer) {
      return outer[0] != stack[0] && within(graph, stack[0], outer[0]);
    });
    if (stack.size() < 2 && inside_another) continue;
    if (!holds_stack(graph, stack, stacks)) blocks.insert(blocks.end(), stack.begin(), stack.end());
  }
  std::sort(blocks.begin(), blocks.end());
  return blocks;
}

std::vector<NodeRange> attention_cores(const Graph& graph) {
  const auto users = users_of(graph);
  std::vector<NodeRange> cores;
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    if (!std::holds_alternative<op::Softmax>(graph.nodes[id].op)) continue;
    const auto scores = nearest_product(graph, id, [&](NodeId n) { return graph.nodes[n].inputs; });
    const auto values = nearest_product(graph, id, [&](NodeId n) { return users[n]; });
    if (!scores || !values) continue;
    const auto begin = with_preparation(graph, *scores, *values + 1, users);
    if (cores.empty() || begin >= cores.back().end) cores.push_back({begin, *values + 1});
  }
  return cores;
}

}  // namespace vitals
