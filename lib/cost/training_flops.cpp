#include "cost/training_flops.h"

#include "cost/macs.h"
#include "cost/sizes.h"
#include "graph/op_traits.h"

#include <algorithm>
#include <vector>

namespace vitals {
namespace {

bool trains(const Graph& graph, ParamId id) { return id != kNone && graph.params[id].trainable; }

// Nodes whose gradient autograd computes: something trainable lies behind them.
std::vector<bool> needs_gradient(const Graph& graph) {
  std::vector<bool> needs(graph.nodes.size());
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    const auto& node = graph.nodes[id];
    needs[id] = trains(graph, node.params[0]) || trains(graph, node.params[1]);
    for (auto in : node.inputs)
      if (needs[in]) needs[id] = true;
  }
  return needs;
}

// Nodes that the loss hangs on.
std::vector<bool> reaches_output(const Graph& graph) {
  std::vector<bool> reaches(graph.nodes.size());
  for (auto id : graph.outputs) reaches[id] = true;
  for (auto id = graph.nodes.size(); id-- > 0;)
    if (reaches[id])
      for (auto in : graph.nodes[id].inputs) reaches[in] = true;
  return reaches;
}

// What one kind of op multiplies in its backward pass, given its forward formula.
struct Backward {
  Formula input;
  Formula weight;
  Formula again;
};

// dX = dY W and dW = dY^T X are as many products as Y = X W^T.
template <OneOf<op::Linear, op::ExpertLinear, op::Conv, op::Opaque> O>
Backward backward(const O&, const Graph& graph, const Node& node, const std::vector<bool>& needs,
                  const Formula& forward) {
  Backward b;
  if (!node.inputs.empty() && needs[node.inputs[0]]) b.input = forward;
  if (trains(graph, node.params[0])) b.weight = forward;
  return b;
}
// dA = dC B^T, dB = A^T dC: each as much as the product itself.
Backward backward(const op::MatMul&, const Graph&, const Node& node, const std::vector<bool>& needs,
                  const Formula& forward) {
  const bool a = needs[node.inputs[0]];
  const bool b = needs[node.inputs[1]];
  if (!a && !b) return {};
  return {a && b ? forward.times(2) : forward, {}, {}};
}
// Of each gate's two products: dX, dR and, for the weights, dW and dR; the state always has a
// gradient.
Backward backward(const op::Recurrent& o, const Graph& graph, const Node& node,
                  const std::vector<bool>& needs, const Formula&) {
  const auto& x = input_shape(graph, node, 0);
  const Formula::Factor two{nullptr, 2};
  const Formula::Factor steps{"tokens x batch", x[0] * x[1]};
  const Formula::Factor rows{"gates x hidden", o.directions * gates_of(o.kind) * o.hidden};
  Backward b;
  if (needs[node.inputs[0]]) b.input.plus({two, steps, rows, {"in", o.in}});
  b.input.plus({two, steps, rows, {"hidden", o.hidden}});
  const bool weights = std::any_of(node.inputs.begin() + 1, node.inputs.end(),
                                   [&](NodeId id) { return needs[id]; }) ||
                       trains(graph, node.params[0]);
  if (weights)
    b.weight.plus({two, steps, rows, {"in", o.in}}).plus({two, steps, rows, {"hidden", o.hidden}});
  return b;
}
// Every product with the state has two in the backward pass.
Backward backward(const op::LinearRecurrence&, const Graph&, const Node&, const std::vector<bool>&,
                  const Formula& forward) {
  return {forward.times(2), {}, {}};
}
// dV = P^T dO; dP = dO V^T; dQ = dS K; dK = dS^T Q; before them S = Q K^T once more.
Backward backward(const op::Sdpa&, const Graph& graph, const Node& node,
                  const std::vector<bool>& needs, const Formula&) {
  const auto z = attention_sizes(graph, node);
  const Formula::Factor two{nullptr, 2};
  const Formula::Factor batch{"batch", z.batch};
  const Formula::Factor s{"s", z.queries};
  const Formula::Factor t{"t", z.keys};
  const Formula::Factor d{"d", z.width};
  const Formula::Factor e{"e", z.value_width};
  const bool q = needs[node.inputs[0]];
  const bool k = needs[node.inputs[1]];
  const bool v = needs[node.inputs[2]];
  const bool extra =
      std::any_of(node.inputs.begin() + 3, node.inputs.end(), [&](NodeId id) { return needs[id]; });
  Backward b;
  if (v) b.input.plus({two, batch, s, t, e});
  if (q || k || extra) b.input.plus({two, batch, s, t, e});
  if (q) b.input.plus({two, batch, s, t, d});
  if (k) b.input.plus({two, batch, s, t, d});
  b.again.plus({two, batch, s, t, d});
  return b;
}

template <class O>
requires(!kTraits<O>.products) Backward
    backward(const O&, const Graph&, const Node&, const std::vector<bool>&, const Formula&) {
  return {};
}

}  // namespace

TrainingFlops& TrainingFlops::operator+=(const TrainingFlops& other) {
  forward += other.forward;
  grad_input += other.grad_input;
  grad_weight += other.grad_weight;
  recompute += other.recompute;
  return *this;
}

TrainingFlops TrainingFormulas::flops() const {
  return {forward.value(), grad_input.value(), grad_weight.value(), recompute.value()};
}

void visit_training(const Graph& graph, ActivationCheckpointing checkpoint,
                    const std::function<void(const Node&, const TrainingFormulas&)>& visit) {
  const auto needs = needs_gradient(graph);
  const auto reaches = reaches_output(graph);
  std::vector<bool> again(graph.nodes.size());
  for (const auto& range : checkpoint_ranges(graph, checkpoint))
    for (auto id = range.begin; id < range.end; ++id) again[id] = true;
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    const auto& node = graph.nodes[id];
    TrainingFormulas f;
    f.forward = macs_formula(graph, node).times(2);
    if (needs[id] && reaches[id] && !f.forward.empty()) {
      auto b = std::visit([&](const auto& o) { return backward(o, graph, node, needs, f.forward); },
                          node.op);
      f.grad_input = b.input;
      f.grad_weight = b.weight;
      f.recompute = b.again;
      if (again[id]) f.recompute.plus(f.forward);
    }
    visit(node, f);
  }
}

TrainingFlops training_flops(const Graph& graph, ActivationCheckpointing checkpoint) {
  TrainingFlops all;
  visit_training(graph, checkpoint,
                 [&](const Node&, const TrainingFormulas& f) { all += f.flops(); });
  return all;
}

}  // namespace vitals
