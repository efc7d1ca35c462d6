#include "memory/simulator/interpreter.h"

#include "graph/op_traits.h"
#include "memory/simulator/lifetimes.h"

#include <algorithm>
#include <cassert>

namespace vitals::eager {

Interpreter::Interpreter(const Graph& graph, Aten& aten, const TensorParallel& tensor,
                         Variants variants)
    : graph_(graph),
      aten_(aten),
      tensor_(tensor),
      variants_(std::move(variants)),
      dying_(dying_after(graph)),
      values_(graph.nodes.size()) {
  if (variants_.loops_over_experts) find_expert_loops();
}

void Interpreter::run(NodeId begin, NodeId end) {
  auto& memory = aten_.tape().memory();
  for (auto id = begin; id < end; ++id) {
    const auto& node = graph_.nodes[id];
    if (before_op) before_op(node.call);
    memory.at({graph_.calls[node.call].module, name_of(node.op), kNone});
    const auto* adapter = adapter_at(id);
    if (const auto* loop = loop_at(id); loop != nullptr) {
      if (id == loop->begin) run_experts(*loop);
    } else if (adapter != nullptr && variants_.fused_lora) {
      if (id == adapter->base) run_fused(*adapter);
    } else if (!values_[id]) {
      values_[id] = apply(id);
    }
    assert(!values_[id] || values_[id]->shape == node.shape);
    if (tensor_.scatters(id)) values_[id] = aten_.scatter(values_[id], tensor_.ranks);
    for (const auto dead : dying_[id]) values_[dead] = nullptr;
    if (!is_leaf(node.op)) memory.mark();
  }
}

// What is not resident is made here, as torch.arange makes the ids of positions.
Tensor Interpreter::apply_constant(NodeId id, const op::Constant& constant) {
  if (const auto it = resident_.find(id); it != resident_.end()) return it->second;
  return aten_.tape().empty(contiguous(constant.shape, constant.dtype), Kind::activation);
}

// Column-parallel outputs are cut by features; with a cut sequence row-parallel ones are, too.
std::uint64_t Interpreter::output_split(NodeId id) const {
  const auto how = tensor_.cut(id);
  const bool cut = how == Cut::column || (how == Cut::row && tensor_.sequence);
  const auto weight = graph_.nodes[id].params[0];
  if (!cut) return 1;
  return how == Cut::column && weight != kNone ? tensor_.split(weight) : tensor_.ranks;
}

// The adapter that a node belongs to, its layer's own node included.
const Adapter* Interpreter::adapter_at(NodeId id) const {
  const auto& all = graph_.adapters;
  const auto next = std::upper_bound(all.begin(), all.end(), id,
                                     [](NodeId n, const Adapter& a) { return n < a.base; });
  if (next == all.begin()) return nullptr;
  const auto& adapter = *std::prev(next);
  return id <= adapter.sum ? &adapter : nullptr;
}

void Interpreter::run_fused(const Adapter& adapter) {
  const auto& base = graph_.nodes[adapter.base];
  const bool drops = std::holds_alternative<op::Dropout>(graph_.nodes[adapter.first].op);
  values_[adapter.sum] =
      aten_.fused_lora(in(base, 0), param(base, 0), params_[adapter.down], params_[adapter.up],
                       base.shape, drops, variants_.is_packed(base.params[0]));
}

// PEFT's enable_input_require_grads: a hook on the token table's output, so that reentrant
// checkpoints are recorded although everything before the adapters is frozen.
Tensor Interpreter::apply_embedding(NodeId id) {
  const auto& node = graph_.nodes[id];
  const auto& table = params_[node.params[0]];
  auto y = aten_.embedding(in(node, 0), table, node.shape);
  const bool tokens = graph_.params[node.params[0]].role == Role::embedding;
  if (!variants_.inputs_require_grad || !tokens || y->node != kNoNode) return y;
  return aten_.tape().make_leaf(y->storage, *y, Kind::activation_gradient);
}

// peft tuners/lora/layer.py: x.to(lora_A.weight.dtype) enters the adapter.
Tensor Interpreter::apply_linear(NodeId id, const op::Linear& linear) {
  const auto& node = graph_.nodes[id];
  const auto* adapter = adapter_at(id);
  const bool first = adapter != nullptr && id == adapter->first;
  const auto x = first ? aten_.to(in(node, 0), param(node, 0)->dtype) : in(node, 0);
  if (node.params[0] != kNone && variants_.is_packed(node.params[0]))
    // With an adapter it answers in the computation's type: the measured peaks of SantaCoder, which
    // keeps these answers of all layers, say so.
    return aten_.packed_linear(x, param(node, 0), param(node, 1), node.shape,
                               {output_split(id), variants_.unpacked, adapter != nullptr});
  return apply_linear(id, linear, x);
}

Tensor Interpreter::apply_linear(NodeId id, const op::Linear& linear, const Tensor& x) {
  const auto& node = graph_.nodes[id];
  Aten::LinearKind kind;
  kind.stored_transposed = linear.transposed;
  kind.split = output_split(id);
  const bool sequence = tensor_.sequence && x->split > 1;
  kind.gathers_input = sequence && tensor_.cut(id) == Cut::column;
  kind.gathers_output = tensor_.sequence && tensor_.cut(id) == Cut::row;
  // A bias may be computed.
  const auto bias = node.inputs.size() > 1 ? in(node, 1) : param(node, 1);
  return aten_.linear(x, param(node, 0), bias, kind);
}

Tensor Interpreter::apply_slice(NodeId id, const op::Slice& slice) {
  const auto& node = graph_.nodes[id];
  const auto& x = values_[node.inputs[0]];
  const auto axis = x->shape.index(slice.axis);
  if (!slice.piece) return aten_.index(x, axis, slice.length, slice.select);
  // All pieces come from one call.
  std::vector<NodeId> ids;
  std::vector<std::uint64_t> lengths;
  for (auto i = id; i < graph_.nodes.size(); ++i) {
    const auto* sibling = std::get_if<op::Slice>(&graph_.nodes[i].op);
    if (sibling == nullptr || !sibling->piece || sibling->axis != slice.axis ||
        graph_.nodes[i].inputs != node.inputs)
      break;
    ids.push_back(i);
    lengths.push_back(sibling->length);
  }
  const auto pieces = aten_.split(x, axis, lengths, slice.select);
  for (std::size_t i = 0; i < ids.size(); ++i) values_[ids[i]] = pieces[i];
  return pieces[0];
}

Tensor Interpreter::apply_binary(const Node& node, op::BinaryKind kind, const Tensor& a,
                                 const Tensor& b) {
  switch (kind) {
    case op::BinaryKind::add:
      return aten_.add(a, b);
    case op::BinaryKind::sub:
      return aten_.sub(a, b);
    case op::BinaryKind::mul:
      return aten_.mul(a, b);
    case op::BinaryKind::div:
      return aten_.div(a, b);
    default:
      return apply_plain(node, traits(kind), {a, b});
  }
}

Tensor Interpreter::apply_conv(const Node& node, const op::Conv& conv) {
  const auto weight = param(node, 0);
  Count columns = numel(weight->shape) / weight->shape[0];
  for (std::size_t d = 2; d < node.shape.rank(); ++d) columns *= node.shape[d];
  const Aten::ConvShape shape{node.shape, *std::max_element(conv.kernel.begin(), conv.kernel.end()),
                              (columns * size_of(weight->dtype)).value()};
  return aten_.conv(values_[node.inputs[0]], weight, param(node, 1), shape);
}

Tensor Interpreter::apply_unary(const Node& node, op::UnaryKind kind, const Tensor& x) {
  const auto row = traits(kind);
  // x * sigmoid(1.702 x) and relu(x)^2 are several ops.
  if (kind == op::UnaryKind::quick_gelu) {
    const auto gate = aten_.activation(aten_.scale(x), Aten::Keeps::output);
    return aten_.mul(x, gate);
  }
  if (kind == op::UnaryKind::relu_squared)
    return aten_.activation(aten_.activation(x, Aten::Keeps::output), Aten::Keeps::input);
  if (row.saves == Saves::nothing || !is_floating(node.dtype)) return apply_plain(node, row, {x});
  const auto keeps = row.saves == Saves::output ? Aten::Keeps::output : Aten::Keeps::input;
  return aten_.activation(row.wide ? aten_.upper(x) : x, keeps);
}

// An op whose row says all: its result, and what its backward pass keeps.
Tensor Interpreter::apply_plain(const Node& node) {
  const auto& row = traits(node.op);
  return apply_plain(node, row.saves, row.autocast, operands(node));
}
Tensor Interpreter::apply_plain(const Node& node, const KindTraits& row, Tensors values) {
  return apply_plain(node, row.saves, row.wide ? Autocast::wide : Autocast::promotes,
                     std::move(values));
}
Tensor Interpreter::apply_plain(const Node& node, Saves saves, Autocast autocast, Tensors values) {
  const Aten::Plain plain{{node.shape, node.strides, node.dtype, 1}, saves, autocast};
  return aten_.plain(std::move(values), node.inputs.size(), plain);
}

// Inputs, then parameters.
Tensors Interpreter::operands(const Node& node) const {
  Tensors all;
  for (const auto input : node.inputs) all.push_back(values_[input]);
  for (std::size_t i = 0; i < node.params.size(); ++i)
    if (auto p = param(node, i)) all.push_back(std::move(p));
  return all;
}

Tensor Interpreter::apply_batch_norm(const Node& node, const op::BatchNorm& norm) {
  Tensors running;
  for (std::size_t i = 1; i < node.inputs.size() && !norm.training; ++i)
    running.push_back(in(node, i));
  // Evaluation without statistics that are inputs keeps no others.
  if (!norm.training && running.empty()) running = {nullptr, nullptr};
  return aten_.batch_norm(in(node, 0), param(node, 0), param(node, 1), running);
}

// Global average pooling is torch.mean (aten/src/ATen/native/AdaptiveAveragePooling.cpp), which
// keeps sizes alone.
Tensor Interpreter::apply_pool(const Node& node, op::PoolKind kind, bool adaptive) {
  const bool max = kind == op::PoolKind::max;
  bool global = adaptive && kind == op::PoolKind::avg;
  for (std::size_t d = 2; d < node.shape.rank(); ++d) global &= node.shape[d] == 1;
  return aten_.pool(in(node, 0), {node.shape, node.strides, node.dtype, 1}, !global, max);
}

// What the backward pass of a step needs: gates and new state; of an LSTM also tanh of its cell, of
// a GRU the product with the last state.
Tensor Interpreter::apply_recurrent(const Node& node, op::RecurrentKind kind) {
  std::uint64_t kept = 1;
  if (kind == op::RecurrentKind::lstm) kept = 7;
  if (kind == op::RecurrentKind::gru) kept = 5;
  return aten_.recurrent(operands(node), node.shape, kept);
}

Tensor Interpreter::apply(NodeId id) {
  const auto& node = graph_.nodes[id];
  const auto in = [&](std::size_t i) -> const Tensor& { return this->in(node, i); };
  return std::visit(
      Overloaded{
          [&]<class O>(const O&)
            requires(kTraits<O>.saves != Saves::own)
          { return apply_plain(node);
}
, [&](const op::Input&) { return resident_.at(id); },
    [&](const op::Parameter&) { return param(node, 0); },
    [&](const op::Constant& o) { return apply_constant(id, o); },
    [&](const op::Linear& o) { return apply_linear(id, o); },
    [&](const op::ExpertLinear&) {
      return aten_.expert_linear(in(0), param(node, 0), param(node, 1), node.shape,
                                 output_split(id));
    },
    [&](const op::Conv& o) { return apply_conv(node, o); },
    [&](const op::MatMul&) { return aten_.matmul(in(0), in(1)); },
    [&](const op::Sdpa&) {
      const auto bias = node.inputs.size() > 3 ? in(3) : nullptr;
      return aten_.sdpa(in(0), in(1), in(2), bias, {node.shape, node.strides, node.dtype, 1});
    },
    [&](const op::Binary& o) {
      auto y = apply_binary(node, o.kind, in(0), in(1));
      const auto* adapter = adapter_at(id);
      const bool sum = adapter != nullptr && id == adapter->sum;
      return sum ? aten_.to(y, in(0)->dtype) : y;  // result.to(torch_result_dtype)
    },
    [&](const op::Scale&) { return aten_.scale(in(0)); },
    [&](const op::Unary& o) { return apply_unary(node, o.kind, in(0)); },
    [&](const op::Where&) { return aten_.where(in(0), in(1), in(2)); },
    [&](const op::BatchNorm& o) { return apply_batch_norm(node, o); },
    [&](const op::GroupNorm& o) {
      return aten_.group_norm(in(0), param(node, 0), param(node, 1),
                              (Count(node.shape[0]) * o.groups).value(), o.instance);
    },
    [&](const op::Pool& o) { return apply_pool(node, o.kind, false); },
    [&](const op::AdaptivePool& o) { return apply_pool(node, o.kind, true); },
    [&](const op::Recurrent& o) { return apply_recurrent(node, o.kind); },
    [&](const op::Cumulative& o) { return apply_plain(node, traits(o.kind), {in(0)}); },
    [&](const op::Take&) { return aten_.take(in(0), in(1), node.shape); },
    [&](const op::Scatter&) { return aten_.scatter_into(in(0), in(1), in(2)); },
    [&](const op::Softmax&) { return aten_.softmax(in(0)); },
    [&](const op::TopK&) { return aten_.topk(in(0), node.shape); },
    [&](const op::MaskedFill&) { return aten_.masked_fill(in(0), in(1)); },
    [&](const op::LayerNorm&) { return aten_.layer_norm(in(0), param(node, 0), param(node, 1)); },
    [&](const op::RmsNorm&) {
      return variants_.fused_norm ? aten_.fused_rms_norm(in(0), param(node, 0))
                                  : aten_.rms_norm(in(0), param(node, 0));
    },
    [&](const op::GlobalResponseNorm&) {
      return aten_.global_response_norm(in(0), param(node, 0), param(node, 1));
    },
    [&](const op::Dropout&) {
      const auto* adapter = adapter_at(id);
      const bool first = adapter != nullptr && id == adapter->first;
      return aten_.dropout(first ? aten_.to(in(0), params_[adapter->down]->dtype) : in(0));
    },
    [&](const op::DropPath&) { return aten_.drop_path(in(0)); },
    [&](const op::Concat&) {
      Tensors xs;
      for (const auto input : node.inputs) xs.push_back(values_[input]);
      return aten_.concat(std::move(xs), node.shape);
    },
    [&](const op::Reshape& o) { return aten_.reshape(in(0), o.shape); },
    [&](const op::Expand& o) { return aten_.expand(in(0), o.shape); },
    [&](const op::Permute& o) { return aten_.permute(in(0), o.order); },
    [&](const op::Slice& o) { return apply_slice(id, o); },
    [&](const op::Copy& o) { return o.implied ? in(0) : aten_.contiguous(in(0)); },
    [&](const op::Roll&) { return aten_.roll(in(0)); },
    [&](const op::Reduce& o) { return aten_.reduce(o.kind, in(0), node.shape); },
    [&](const op::Embedding&) { return apply_embedding(id); },
    [&](const op::Gather&) { return aten_.gather(in(0), node.shape); },
    [&](const op::Rope&) { return aten_.rope(in(0), in(1)); },
}  // namespace vitals::eager
,
      node.op);
}

}  // namespace vitals::eager
