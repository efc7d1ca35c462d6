#include "memory/llama_cpp/compute_buffer.h"

#include "graph/op.h"

#include <algorithm>
#include <map>

namespace vitals::llama {
namespace {

constexpr std::uint64_t kActivation = 4;  // bytes of an element: ggml computes in fp32

class Writer {
 public:
  Writer(const Graph& graph, const ComputeOptions& options)
      : graph_(graph),
        options_(options),
        users_(users_of(graph)),
        placed_(graph.nodes.size(), kNowhere) {
    for (const auto& cache : graph.kv_caches) caches_.emplace(cache.module, &cache);
  }

  std::vector<PlannedTensor> write() {
    for (const auto output : graph_.outputs) (void)visit(output);
    return std::move(tensors_);
  }

 private:
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

  // ggml_build_forward: sources first, in their order, then the node. Without recursion, for traces
  // are deep.
  std::size_t visit(NodeId root) {
    std::vector<std::pair<NodeId, std::size_t>> stack = {{root, 0}};
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      const auto& inputs = graph_.nodes[id].inputs;
      if (placed_[id] != kNowhere) {
        stack.pop_back();
      } else if (next < inputs.size() && !is_table(id, next)) {
        stack.emplace_back(inputs[next++], 0);
      } else if (next < inputs.size()) {
        ++next;
      } else {
        placed_[id] = translate(id);
        stack.pop_back();
      }
    }
    return placed_[root];
  }

  // Positions and masks are inputs of ggml's ops, and no results of others.
  bool is_table(NodeId id, std::size_t input) const {
    const auto& op = graph_.nodes[id].op;
    return input > 0 && (std::holds_alternative<op::Rope>(op) ||
                         (std::holds_alternative<op::Sdpa>(op) && input > 2));
  }

  std::size_t add(PlannedTensor tensor) {
    tensors_.push_back(std::move(tensor));
    return tensors_.size() - 1;
  }

  std::uint64_t bytes_of(NodeId id) const {
    return (numel(graph_.nodes[id].shape) * kActivation).value();
  }

  std::vector<std::size_t> sources_of(const Node& node) const {
    std::vector<std::size_t> sources;
    for (const auto input : node.inputs)
      if (placed_[input] != kNowhere) sources.push_back(placed_[input]);
    return sources;
  }

  std::size_t view_of(NodeId id, NodeId source) {
    PlannedTensor tensor;
    tensor.sources = {placed_[source]};
    tensor.view = true;
    (void)id;
    return add(std::move(tensor));
  }

  std::size_t computed(NodeId id, std::string what, bool in_place) {
    PlannedTensor tensor;
    tensor.bytes = bytes_of(id);
    tensor.sources = sources_of(graph_.nodes[id]);
    tensor.in_place = in_place;
    tensor.what = std::move(what);
    // A residual sum is written ggml_add(new, residual): it takes the place of the new values.
    const auto* binary = std::get_if<op::Binary>(&graph_.nodes[id].op);
    if (binary != nullptr && binary->kind == op::BinaryKind::add)
      std::reverse(tensor.sources.begin(), tensor.sources.end());
    return add(std::move(tensor));
  }

  // The product of a weight that is kept elsewhere needs a copy of it beside its result.
  std::size_t product(NodeId id) {
    const auto& node = graph_.nodes[id];
    auto sources = sources_of(node);
    if (const auto copy = options_.copied(node.params[0]); copy > Count(0)) {
      PlannedTensor weight;
      weight.bytes = copy.value();
      weight.what = "copies of weights that stay on the CPU";
      sources.push_back(add(std::move(weight)));
    }
    PlannedTensor tensor;
    tensor.bytes = bytes_of(id);
    tensor.sources = std::move(sources);
    tensor.what = graph_.module_of(node).role == Role::head ? "logits" : "products of weights";
    return add(std::move(tensor));
  }

  // act(gate(x)) * up(x) is one op, ggml_swiglu_split: no activation of its own.
  bool gates(NodeId id) const {
    if (users_[id].size() != 1) return false;
    const auto& user = graph_.nodes[users_[id][0]];
    const auto* binary = std::get_if<op::Binary>(&user.op);
    return binary != nullptr && binary->kind == op::BinaryKind::mul && user.inputs.size() == 2 &&
           user.inputs[0] == id && user.shape == graph_.nodes[id].shape;
  }

  const KvCache* cache_of(const Node& node) const {
    for (auto module = graph_.calls[node.call].module; module != kNone;
         module = graph_.modules[module].parent)
      if (const auto it = caches_.find(module); it != caches_.end()) return it->second;
    return nullptr;
  }

  // One mask for the layers that see as many keys, and its 16-bit copy for flash attention.
  std::size_t mask(std::uint64_t keys, std::uint64_t tokens) {
    const auto [it, added] = masks_.try_emplace(keys, 0);
    if (!added) return it->second;
    PlannedTensor input;
    input.bytes = (Count(keys) * tokens * kActivation).value();
    input.input = true;
    input.what = "attention mask";
    auto at = add(std::move(input));
    if (options_.flash_attention) {
      PlannedTensor half;
      half.bytes = (Count(keys) * tokens * 2).value();
      half.sources = {at};
      half.what = "attention mask";
      at = add(std::move(half));
    }
    it->second = at;
    return at;
  }

  // Queries against the cache, into which the new keys and values are copied first.
  std::size_t attention(NodeId id) {
    const auto& node = graph_.nodes[id];
    const auto* cache = cache_of(node);
    const auto tokens = node.shape.at(-2);
    const auto heads = node.shape.at(1);
    const auto keys = cache == nullptr ? tokens : options_.cells(*cache);
    const auto q = placed_[node.inputs[0]];
    for (std::size_t i = 1; i < 3 && cache != nullptr; ++i) {
      PlannedTensor copy;  // ggml_set_rows, into the cache
      copy.sources = {placed_[node.inputs[i]]};
      (void)add(std::move(copy));
    }
    PlannedTensor result;
    result.bytes = bytes_of(id);
    result.what = "attention";
    const auto module = graph_.calls[node.call].module;
    if (!options_.attends(module)) {  // queries go to the host and the result comes from there
      result.sources = {q};
      return add(std::move(result));
    }
    if (options_.flash_attention) {
      result.sources = {q, mask(keys, tokens)};
      return add(std::move(result));
    }
    PlannedTensor scores;
    scores.bytes = (Count(keys) * tokens * heads * kActivation).value();
    scores.sources = {q};
    scores.what = "attention scores";
    const auto product = add(std::move(scores));
    PlannedTensor weights;
    weights.bytes = tensors_[product].bytes;
    weights.sources = {product, mask(keys, tokens)};
    weights.in_place = true;
    weights.what = "attention scores";
    const auto softmax = add(std::move(weights));
    result.sources = {softmax};
    return add(std::move(result));
  }

  std::size_t embedding(NodeId id) {
    const bool learned = graph_.nodes[id].params[0] != kNone &&
                         graph_.params[graph_.nodes[id].params[0]].role != Role::embedding;
    PlannedTensor rows;
    rows.bytes = bytes_of(id);
    rows.what = "embeddings";
    rows.input = options_.embedding_on_host && !learned;
    return add(std::move(rows));
  }

  std::size_t translate(NodeId id) {
    const auto& node = graph_.nodes[id];
    const auto& op = node.op;
    if (std::holds_alternative<op::Input>(op) || std::holds_alternative<op::Constant>(op) ||
        std::holds_alternative<op::Parameter>(op))
      return add({});
    if (std::holds_alternative<op::Embedding>(op)) return embedding(id);
    if (std::holds_alternative<op::Linear>(op) || std::holds_alternative<op::ExpertLinear>(op))
      return product(id);
    if (std::holds_alternative<op::Sdpa>(op)) return attention(id);
    if (is_view(graph_, id) && placed_[node.inputs[0]] != kNowhere)
      return view_of(id, node.inputs[0]);
    if (std::holds_alternative<op::RmsNorm>(op) || std::holds_alternative<op::LayerNorm>(op))
      return computed(id, "norms", true);
    if (std::holds_alternative<op::Unary>(op) && gates(id)) return view_of(id, node.inputs[0]);
    const bool gated = std::holds_alternative<op::Binary>(op) && !node.inputs.empty() &&
                       std::holds_alternative<op::Unary>(graph_.nodes[node.inputs[0]].op) &&
                       gates(node.inputs[0]);
    const bool elementwise =
        std::holds_alternative<op::Binary>(op) || std::holds_alternative<op::Scale>(op) ||
        std::holds_alternative<op::Unary>(op) || std::holds_alternative<op::Softmax>(op);
    return computed(id, gated ? "gated feed-forward" : "other values", elementwise && !gated);
  }

  const Graph& graph_;
  const ComputeOptions& options_;
  std::vector<std::vector<NodeId>> users_;
  std::vector<std::size_t> placed_;
  std::map<ModuleId, const KvCache*> caches_;
  std::map<std::uint64_t, std::size_t> masks_;
  std::vector<PlannedTensor> tensors_;
};

}  // namespace

std::vector<PlannedTensor> planned_tensors(const Graph& graph, const ComputeOptions& options) {
  return Writer(graph, options).write();
}

}  // namespace vitals::llama
