#include "runtime/program/fusion.h"

#include <numeric>

namespace vitals {
namespace {

class Fuser {
 public:
  Fuser(const Graph& graph, const std::vector<bool>& kept)
      : graph_(graph), kept_(kept), users_(graph.nodes.size()) {
    fusion_.host.resize(graph.nodes.size());
    std::iota(fusion_.host.begin(), fusion_.host.end(), NodeId{0});
    for (NodeId id = 0; id < graph.nodes.size(); ++id)
      for (auto input : graph.nodes[id].inputs) users_[input].push_back(id);
  }

  Fusion run() {
    for (NodeId id = 0; id < graph_.nodes.size(); ++id)
      if (std::holds_alternative<op::Linear>(graph_.nodes[id].op)) follow(id);
    for (NodeId id = 0; id < graph_.nodes.size(); ++id)
      if (std::holds_alternative<op::Unary>(graph_.nodes[id].op)) gate(id);
    return std::move(fusion_);
  }

 private:
  // The op that alone uses a value which nobody else wants to see.
  std::optional<NodeId> only_user(NodeId id) const {
    if (kept_[id] || users_[id].size() != 1) return std::nullopt;
    const auto user = users_[id].front();
    return fusion_.host[user] == user ? std::optional(user) : std::nullopt;
  }

  NodeId other_operand(NodeId user, NodeId value) const {
    const auto& inputs = graph_.nodes[user].inputs;
    return inputs[0] == value ? inputs[1] : inputs[0];
  }

  bool is_vector(NodeId id, std::uint64_t length) const {
    const auto& node = graph_.nodes[id];
    return std::holds_alternative<op::Parameter>(node.op) && node.shape == Shape{length};
  }

  // Takes `user` into the chain; false when the kernel cannot do it.
  bool take(LinearChain& chain, NodeId user, NodeId value) const {
    const auto& node = graph_.nodes[user];
    const bool begun = chain.multiplier != kNone || chain.gamma != kNone;
    if (const auto* a = std::get_if<op::Unary>(&node.op)) {
      const auto kind = kernel_activation(a->kind);
      if (!kind || begun || chain.activation != Activation::kIdentity) return false;
      chain.activation = *kind;
      return true;
    }
    const auto* binary = std::get_if<op::Binary>(&node.op);
    if (binary == nullptr || !(node.shape == graph_.nodes[value].shape)) return false;
    const auto other = other_operand(user, value);
    if (binary->kind == op::BinaryKind::mul && is_vector(other, node.shape.at(-1))) {
      if (chain.gamma != kNone) return false;
      chain.gamma = graph_.nodes[other].params[0];
      return true;
    }
    if (!(graph_.nodes[other].shape == node.shape)) return false;
    if (binary->kind == op::BinaryKind::mul && !begun) {
      chain.multiplier = other;
      return true;
    }
    if (binary->kind != op::BinaryKind::add) return false;
    chain.residual = other;
    return true;
  }

  void follow(NodeId head) {
    LinearChain chain;
    chain.head = chain.tail = head;
    const bool alone = graph_.nodes[head].inputs.size() > 1;  // its bias is computed
    while (!alone && chain.residual == kNone) {
      const auto user = only_user(chain.tail);
      if (!user || !take(chain, *user, chain.tail)) break;
      chain.tail = *user;
      fusion_.host[*user] = head;
    }
    fusion_.chains.emplace(chain.tail, chain);
  }

  void gate(NodeId id) {
    const auto& node = graph_.nodes[id];
    if (fusion_.host[id] != id || !kernel_activation(std::get<op::Unary>(node.op).kind)) return;
    const auto user = only_user(id);
    if (!user) return;
    const auto& product = graph_.nodes[*user];
    const auto* binary = std::get_if<op::Binary>(&product.op);
    const bool known = binary != nullptr &&
                       (binary->kind == op::BinaryKind::mul || binary->kind == op::BinaryKind::add);
    if (!known || !(product.shape == node.shape)) return;
    fusion_.gated.emplace(*user, id);
    fusion_.host[id] = *user;
  }

  const Graph& graph_;
  const std::vector<bool>& kept_;
  std::vector<std::vector<NodeId>> users_;
  Fusion fusion_;
};

}  // namespace

std::optional<Activation> kernel_activation(op::ActivationKind kind) {
  switch (kind) {
    case op::ActivationKind::gelu:
      return Activation::kGelu;
    case op::ActivationKind::gelu_tanh:
      return Activation::kGeluTanh;
    case op::ActivationKind::quick_gelu:
      return Activation::kQuickGelu;
    case op::ActivationKind::silu:
      return Activation::kSilu;
    case op::ActivationKind::relu:
      return Activation::kRelu;
    case op::ActivationKind::tanh:
      return Activation::kTanh;
    case op::ActivationKind::sigmoid:
      return Activation::kSigmoid;
    default:  // one pass of its own, by its definition
      return std::nullopt;
  }
}

Fusion fuse(const Graph& graph, const std::vector<bool>& kept) { return Fuser(graph, kept).run(); }

}  // namespace vitals
