// The state of one rewrite from trace to program, for lower.cpp (how values lie) and
// lower_ops.cpp (which kernel does an op). Not for others.
#pragma once

#include "runtime/program/fusion.h"
#include "runtime/program/lower.h"

#include <optional>

namespace vitals {

class Lowering {
 public:
  Lowering(const Graph& graph, const LowerOptions& options);
  [[nodiscard]] Program run();

 private:
  // How values lie (lower.cpp).
  void mark_fixed();
  void mark_pinned(const std::vector<NodeId>& keep);
  void visit(NodeId id);
  void fixed_value(NodeId id);
  bool view(NodeId id);
  void reshape(NodeId id, const op::Reshape& o);
  View fresh(const Shape& shape, const Strides& strides, DType dtype);
  View dense(const Shape& shape, DType dtype);
  View repacked(NodeId id, const View& x, const Strides& strides, DType dtype);
  View repacked(NodeId id, const View& x, DType dtype);
  void emit(NodeId id, StepKind kind, std::vector<View> in, const View& out,
            std::vector<std::size_t> overwrites = {});
  View matrix(NodeId id, const View& x, std::uint64_t columns, std::optional<DType> dtype);
  // Operands of one shape whose rows fold together with those of a new output, copied where they
  // must be.
  struct Rowwise {
    std::vector<View> in;
    View out;
  };
  Rowwise rowwise(NodeId id, std::vector<View> in, DType dtype);

  [[nodiscard]] const Node& node(NodeId id) const { return graph_.nodes[id]; }
  [[nodiscard]] const View& input(NodeId id, std::size_t i) const {
    return program_.value[node(id).inputs[i]];
  }
  [[nodiscard]] DType dtype_of(const View& view) const {
    return program_.buffers[view.buffer].dtype;
  }
  [[nodiscard]] DType result_type(NodeId id) const;
  [[nodiscard]] bool is_fixed(const View& view) const {
    return !program_.buffers[view.buffer].in_arena();
  }

  // Which kernel does an op (lower_ops.cpp).
  void op(NodeId id);
  [[nodiscard]] bool is_computed(NodeId id) const;
  void linear(const LinearChain& chain);
  void conv(NodeId id, const op::Conv& o);
  void depthwise(NodeId id, const op::Conv& o);
  void attention(NodeId id, const op::Sdpa& o);
  void binary(NodeId id, const op::Binary& o);
  void norm(NodeId id, double eps, bool center);
  void unary(NodeId id, const StepKind& kind);
  void concat(NodeId id, const op::Concat& o);
  void roll(NodeId id, const op::Roll& o);
  void reduce(NodeId id, const op::Reduce& o);
  void matmul(NodeId id);
  void rope(NodeId id, const op::Rope& o);
  void lookup(NodeId id, const op::Embedding& o);
  void reference(NodeId id);
  [[noreturn]] void refuse(NodeId id) const;

  const Graph& graph_;
  DType compute_;
  std::vector<bool> fixed_;   // by NodeId: follows from parameters and constants, without a product
  std::vector<bool> pinned_;  // by NodeId: outputs and what is kept
  Fusion fusion_;
  Program program_;
};

}  // namespace vitals
