// Runs the ops of a trace on tensors without data: every op as the PyTorch calls that it stands
// for, every value as long as Python would name it. Knows ops and frames, no step and no recipe.
#pragma once

#include "memory/simulator/aten.h"
#include "memory/tensor_parallel.h"

#include <functional>
#include <unordered_map>

namespace vitals::eager {

class Interpreter {
 public:
  Interpreter(const Graph& graph, Aten& aten, const TensorParallel& tensor);

  // Nodes [begin, end); what they use of before must be among the values. Afterwards the values
  // are what still has a name.
  void run(NodeId begin, NodeId end);
  // Called before every op.
  std::function<void(CallId)> before_op;

  [[nodiscard]] Tensor& value(NodeId id) { return values_[id]; }
  void forget_values() { values_.assign(values_.size(), nullptr); }
  [[nodiscard]] Tensors& params() { return params_; }
  // Inputs, masks and tables: they live before the forward pass.
  [[nodiscard]] std::unordered_map<NodeId, Tensor>& resident() { return resident_; }

 private:
  [[nodiscard]] Tensor param(const Node& node, std::size_t i) const {
    return node.params[i] == kNone ? nullptr : params_[node.params[i]];
  }
  [[nodiscard]] const Tensor& in(const Node& node, std::size_t i) const {
    return values_[node.inputs[i]];
  }
  [[nodiscard]] std::uint64_t output_split(NodeId id) const;
  Tensor apply(NodeId id);
  Tensor apply_constant(NodeId id, const op::Constant& constant);
  Tensor apply_linear(NodeId id, const op::Linear& linear);
  Tensor apply_slice(NodeId id, const op::Slice& slice);
  Tensor apply_binary(op::BinaryKind kind, const Tensor& a, const Tensor& b);
  Tensor apply_conv(const Node& node, const op::Conv& conv);
  Tensor apply_activation(op::ActivationKind kind, const Tensor& x);
  Tensor apply_plain(const Node& node);

  const Graph& graph_;
  Aten& aten_;
  const TensorParallel& tensor_;
  std::vector<std::vector<NodeId>> dying_;
  Tensors values_;
  Tensors params_;
  std::unordered_map<NodeId, Tensor> resident_;
};

}  // namespace vitals::eager
