#include "memory/tensor_parallel.h"

#include "core/error.h"
#include "graph/blocks.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace vitals {
namespace {

// A vocabulary that the ranks do not divide is padded to a multiple of this, as vLLM does
// (vllm/model_executor/layers/vocab_parallel_embedding.py: DEFAULT_VOCAB_PADDING_SIZE).
constexpr std::uint64_t kVocabularyMultiple = 64;

// Features that a weight takes and gives.
struct Features {
  std::uint64_t in = 0;
  std::uint64_t out = 0;
};

class Planner {
 public:
  Planner(const Graph& graph, std::uint64_t ranks, bool sequence) : graph_(graph) {
    plan_.ranks = ranks;
    plan_.sequence = sequence;
    plan_.cuts.assign(graph.nodes.size(), Cut::none);
    plan_.splits.assign(graph.params.size(), {});
    plan_.scattered.assign(graph.nodes.size(), false);
  }

  TensorParallel plan() {
    for (const auto& module : graph_.modules)
      if (module.role == Role::attention) check_heads(module);
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) cut_node(id);
    if (std::all_of(plan_.splits.begin(), plan_.splits.end(),
                    [](const Split& s) { return s.own == s.of; }))
      fail("--tp {}: the model has no pair of layers that could be cut", plan_.ranks);
    if (plan_.sequence) scatter();
    return std::move(plan_);
  }

 private:
  void check_heads(const Module& attention) const {
    const auto& [queries, keys] = attention.heads;
    if (queries % plan_.ranks != 0)
      fail("--tp {} does not divide the {} heads of {}", plan_.ranks, queries, attention.path);
    if (std::max(keys, plan_.ranks) % std::max<std::uint64_t>(1, std::min(keys, plan_.ranks)) != 0)
      fail("--tp {}: the {} heads of keys and values of {} cannot be shared evenly", plan_.ranks,
           keys, attention.path);
  }

  // Matrices, and what stands for one: parameters that are values of the trace, and tables.
  void cut_node(NodeId id) {
    const auto& node = graph_.nodes[id];
    const auto weight = node.params[0];
    if (weight == kNone) return;
    const auto cut = cut_of(graph_.params[weight].role);
    if (cut == Cut::none) return;
    if (const auto* o = std::get_if<op::Linear>(&node.op))
      cut_product(id, {o->in, o->out});
    else if (const auto* e = std::get_if<op::ExpertLinear>(&node.op))
      cut_product(id, {e->in, e->out});
    else if (std::holds_alternative<op::Embedding>(node.op))
      plan_.splits[weight] = split_of(weight, {0, node.shape.at(-1)});
    else if (std::holds_alternative<op::Parameter>(node.op))
      cut_value(weight);
  }

  void cut_product(NodeId id, const Features& features) {
    const auto [weight, bias] = graph_.nodes[id].params;
    const auto cut = cut_of(graph_.params[weight].role);
    plan_.splits[weight] = split_of(weight, features);
    // A row-parallel bias is added once, to the sum.
    if (bias != kNone && cut != Cut::row) plan_.splits[bias] = plan_.splits[weight];
    plan_.cuts[id] = cut == Cut::vocabulary ? Cut::column : cut;
  }

  // Its first dimension counts the features that come out.
  void cut_value(ParamId id) {
    const auto& param = graph_.params[id];
    const auto out = param.bias ? numel(param).value() : param.shape[0];
    const auto in = param.bias ? 1 : (numel(param) / std::max<std::uint64_t>(out, 1)).value();
    if (!param.bias || cut_of(param.role) != Cut::row) plan_.splits[id] = split_of(id, {in, out});
  }

  [[nodiscard]] Split split_of(ParamId id, const Features& features) {
    const auto& param = graph_.params[id];
    if (cut_of(param.role) == Cut::vocabulary)
      return vocabulary(param.bias ? numel(param).value() : param.shape[0]);
    const auto attention = enclosing(graph_, param.module, Role::attention);
    if (attention != kNone && graph_.modules[attention].heads.query > 0)
      if (const auto by_heads = heads_of(param.role, graph_.modules[attention].heads))
        return *by_heads;
    return evenly(cut_of(param.role) == Cut::row ? features.in : features.out, param);
  }

  // vLLM's QKVParallelLinear: query heads are dealt, and each rank has at least one head of keys
  // and one of values (vllm/model_executor/layers/linear.py).
  [[nodiscard]] std::optional<Split> heads_of(Role role, const AttentionHeads& heads) const {
    const auto n = plan_.ranks;
    const auto keys = std::max<std::uint64_t>(heads.key / n, 1);
    switch (role) {
      case Role::key:
      case Role::value:
      case Role::key_value:
        return Split{keys, heads.key};
      case Role::qkv:
        return Split{heads.query / n + 2 * keys, heads.query + 2 * heads.key};
      case Role::query:
      case Role::attention_output:
      case Role::sink:
        return Split{1, n};
      default:  // not of heads
        return std::nullopt;
    }
  }

  [[nodiscard]] Split evenly(std::uint64_t features, const Param& param) const {
    if (features % plan_.ranks != 0)
      fail("--tp {} does not divide the {} features of {}", plan_.ranks, features,
           graph_.modules[param.module].path);
    return {1, plan_.ranks};
  }

  [[nodiscard]] Split vocabulary(std::uint64_t words) {
    if (words % plan_.ranks == 0) return {1, plan_.ranks};
    const auto multiple = std::lcm(kVocabularyMultiple, plan_.ranks);
    const auto padded = (words + multiple - 1) / multiple * multiple;
    plan_.words = words;
    plan_.padded_words = padded;
    return {padded / plan_.ranks, words};
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
