// Runs the ops of a trace on tensors without data: every op as the PyTorch calls that it stands
// for, every value as long as Python would name it. Knows ops and frames, no step and no recipe.
#pragma once

#include "memory/simulator/aten.h"
#include "memory/tensor_parallel.h"

#include <functional>
#include <optional>
#include <unordered_map>

namespace vitals::eager {

// Which of a library's implementations an op stands for.
struct Variants {
  std::function<bool(ParamId)> is_packed = [](ParamId) { return false; };
  bool unpacked = false;             // packed weights are unpacked for a product
  bool fused_norm = false;           // RMSNorm as one kernel
  bool fused_lora = false;           // a layer with its adapter as one op
  bool inputs_require_grad = false;  // the output of a frozen token table asks for a gradient
  bool loops_over_experts = false;   // frozen experts run one after the other
};

class Interpreter {
 public:
  Interpreter(const Graph& graph, Aten& aten, const TensorParallel& tensor, Variants variants);

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
  Tensor apply_linear(NodeId id, const op::Linear& linear, const Tensor& x);
  Tensor apply_embedding(NodeId id);
  [[nodiscard]] const Adapter* adapter_at(NodeId id) const;
  void run_fused(const Adapter& adapter);

  // Experts that run one after the other: the nodes of their module's call, and behind it what
  // weighs and sums their answers, up to `sum`.
  struct ExpertLoop {
    NodeId begin = 0;
    NodeId end = 0;
    NodeId sum = 0;
    NodeId rows = 0;    // [rows, width], what enters
    NodeId choice = 0;  // [rows, active], the weights of the chosen experts
    std::uint64_t experts = 1;
    std::uint64_t active = 1;
  };
  void find_expert_loops();
  [[nodiscard]] std::optional<ExpertLoop> expert_loop(const Call& call) const;
  [[nodiscard]] const ExpertLoop* loop_at(NodeId id) const;
  void run_experts(const ExpertLoop& loop);
  Tensor run_expert(const ExpertLoop& loop, const Tensor& rows);
  Tensor apply_slice(NodeId id, const op::Slice& slice);
  Tensor apply_binary(const Node& node, op::BinaryKind kind, const Tensor& a, const Tensor& b);
  Tensor apply_conv(const Node& node, const op::Conv& conv);
  Tensor apply_unary(const Node& node, op::UnaryKind kind, const Tensor& x);
  Tensor apply_plain(const Node& node);
  Tensor apply_plain(const Node& node, const KindTraits& row, Tensors values);
  Tensor apply_plain(const Node& node, Saves saves, Autocast autocast, Tensors values);
  Tensor apply_batch_norm(const Node& node, const op::BatchNorm& norm);
  Tensor apply_pool(const Node& node, op::PoolKind kind, bool adaptive);
  Tensor apply_recurrent(const Node& node, op::RecurrentKind kind);
  [[nodiscard]] Tensors operands(const Node& node) const;

  const Graph& graph_;
  Aten& aten_;
  const TensorParallel& tensor_;
  Variants variants_;
  std::vector<ExpertLoop> expert_loops_;
  std::vector<std::vector<NodeId>> dying_;
  Tensors values_;
  Tensors params_;
  std::unordered_map<NodeId, Tensor> resident_;
};

}  // namespace vitals::eager
