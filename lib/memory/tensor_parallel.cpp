#include "memory/tensor_parallel.h"

#include "core/error.h"
#include "graph/blocks.h"

#include <algorithm>

namespace vitals {
namespace {

bool is_projection(const Op& op) {
  return std::holds_alternative<op::Linear>(op) || std::holds_alternative<op::ExpertLinear>(op);
}

bool is_attention(const Op& op) {
  return std::holds_alternative<op::MatMul>(op) || std::holds_alternative<op::Sdpa>(op);
}

class Planner {
 public:
  Planner(const Graph& graph, std::uint64_t ranks, bool sequence) : graph_(graph) {
    plan_.ranks = ranks;
    plan_.sequence = sequence;
    plan_.cuts.assign(graph.nodes.size(), Cut::none);
    plan_.parts.assign(graph.params.size(), 1);
    plan_.scattered.assign(graph.nodes.size(), false);
  }

  TensorParallel plan() {
    for (const auto& node : graph_.nodes)
      if (is_attention(node.op)) check_heads(node);
    const auto leads = leading_to_product();
    std::vector<bool> split(graph_.nodes.size());
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const auto& node = graph_.nodes[id];
      const bool from_split =
          std::any_of(node.inputs.begin(), node.inputs.end(), [&](NodeId x) { return split[x]; });
      split[id] = is_projection(node.op) ? assign(id, from_split, leads[id]) : from_split;
    }
    cut_vocabulary();
    if (std::all_of(plan_.parts.begin(), plan_.parts.end(), [](auto n) { return n == 1; }))
      fail("--tp {}: the model has no pair of layers that could be cut", plan_.ranks);
    if (plan_.sequence) scatter();
    return std::move(plan_);
  }

 private:
  // The module call that a projection's own module stands in: attention, MLP or block.
  [[nodiscard]] const Call& surroundings(const Node& node) const {
    const auto& own = graph_.calls[node.call];
    return own.parent == kNone ? own : graph_.calls[own.parent];
  }

  // Does the output reach another product before its surroundings return?
  [[nodiscard]] std::vector<bool> leading_to_product() const {
    const auto n = static_cast<NodeId>(graph_.nodes.size());
    std::vector<NodeId> nearest(n, n);  // product that a node's output reaches
    std::vector<bool> leads(n);
    for (NodeId id = n; id-- > 0;) {
      const auto& node = graph_.nodes[id];
      leads[id] = nearest[id] < surroundings(node).end;
      const bool product = is_projection(node.op) || is_attention(node.op);
      for (const auto input : node.inputs)
        nearest[input] = std::min(nearest[input], product ? id : nearest[id]);
    }
    return leads;
  }

  // Notes the role of a projection; is its output split?
  bool assign(NodeId id, bool from_split, bool leads) {
    const auto& node = graph_.nodes[id];
    if (!from_split && !leads) return false;
    plan_.cuts[id] = from_split ? Cut::row : Cut::column;
    const auto features =
        from_split ? graph_.nodes[node.inputs[0]].shape.at(-1) : node.shape.at(-1);
    const auto pieces = from_split ? plan_.ranks : pieces_of(node);
    if (features % pieces != 0)
      fail("--tp {} does not divide the {} features of {}", plan_.ranks, features,
           graph_.module_of(node).path);
    if (node.params[0] != kNone) plan_.parts[node.params[0]] = pieces;
    // A row-parallel bias is added once, to the sum.
    if (!from_split && node.params[1] != kNone) plan_.parts[node.params[1]] = pieces;
    return !from_split;
  }

  // A projection to fewer heads of keys or values than there are ranks is cut by heads.
  [[nodiscard]] std::uint64_t pieces_of(const Node& node) const {
    const auto attention = surroundings(node).module;
    for (const auto& cache : graph_.kv_caches) {
      const auto features = node.shape.at(-1);
      if (cache.module != attention || (features != cache.key && features != cache.value)) continue;
      const auto pieces = plan_.split(cache);
      if (std::max(cache.heads, plan_.ranks) % pieces != 0)
        fail("--tp {}: the {} heads of keys and values of {} cannot be shared evenly", plan_.ranks,
             cache.heads, graph_.modules[attention].path);
      return pieces;
    }
    return plan_.ranks;
  }

  void check_heads(const Node& node) const {
    if (node.shape.rank() < 4) return;
    const auto heads = node.shape.at(-3);
    if (heads % plan_.ranks != 0)
      fail("--tp {} does not divide the {} heads of {}", plan_.ranks, heads,
           graph_.module_of(node).path);
  }

  // Embedding tables and the head over the same words are cut along the vocabulary.
  void cut_vocabulary() {
    std::vector<std::uint64_t> vocabularies;
    for (const auto& node : graph_.nodes) {
      const auto* table = std::get_if<op::Embedding>(&node.op);
      const bool makes_logits = table != nullptr && predicts(table->rows);
      if (!makes_logits || table->rows % plan_.ranks != 0) continue;
      plan_.parts[node.params[0]] = plan_.ranks;
      vocabularies.push_back(table->rows);
    }
    for (const auto output : graph_.outputs) {
      const auto& node = graph_.nodes[output];
      if (!std::holds_alternative<op::Linear>(node.op)) continue;
      if (std::find(vocabularies.begin(), vocabularies.end(), node.shape.at(-1)) ==
          vocabularies.end())
        continue;
      plan_.cuts[output] = Cut::column;
      plan_.parts[node.params[0]] = plan_.ranks;
    }
  }

  [[nodiscard]] bool predicts(std::uint64_t words) const {
    return std::any_of(graph_.outputs.begin(), graph_.outputs.end(),
                       [&](NodeId id) { return graph_.nodes[id].shape.at(-1) == words; });
  }

  // What enters the first block is cut along the sequence, before it is dropped.
  void scatter() {
    const auto blocks = block_calls(graph_);
    if (blocks.empty()) fail("--sequence-parallel: the model has no stack of blocks");
    for (auto id : graph_.calls[blocks[0]].inputs) {
      if (graph_.nodes[id].shape.rank() < 3) continue;
      while (std::holds_alternative<op::Dropout>(graph_.nodes[id].op))
        id = graph_.nodes[id].inputs[0];
      plan_.scattered[id] = true;
    }
  }

  const Graph& graph_;
  TensorParallel plan_;
};

}  // namespace

TensorParallel plan_tensor_parallel(const Graph& graph, std::uint64_t ranks, bool sequence) {
  if (ranks == 1) return {};
  return Planner(graph, ranks, sequence).plan();
}

}  // namespace vitals
