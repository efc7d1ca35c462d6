// How the values of a trace lie in memory while it runs: their types under a precision, their
// order, and which ops are products and which the rest. Shared by the eager and the compiled view.
#pragma once

#include "graph/op_traits.h"
#include "latency/kernel.h"

namespace vitals::latency {

[[nodiscard]] inline Work work_of(const Op& op) { return traits(op).work; }
[[nodiscard]] inline bool is_product(const Op& op) {
  const auto work = work_of(op);
  return work == Work::product || work == Work::attention;
}
// A call of a library, with which nothing fuses.
[[nodiscard]] inline bool stands_alone(const Op& op) {
  return traits(op).fusion == FusionClass::own_kernel;
}

class Layout {
 public:
  Layout(const Graph& graph, const Execution& execution);

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] const Execution& execution() const { return execution_; }
  [[nodiscard]] const Node& node(NodeId id) const { return graph_.nodes[id]; }

  // Bytes of one element of a node's output / of what products read / of a parameter.
  [[nodiscard]] double size(NodeId id) const { return sizes_[id]; }
  [[nodiscard]] double product_size() const { return product_size_; }
  [[nodiscard]] double param_size() const { return param_size_; }
  // Products read copies of float32 values.
  [[nodiscard]] bool casts() const { return execution_.autocast; }
  [[nodiscard]] bool low_norm(const Op& op) const;

  [[nodiscard]] double elements(NodeId id) const;  // of the output
  [[nodiscard]] double stored(NodeId id) const;    // that lie in memory: expanded ones once
  [[nodiscard]] double params(const Node& node) const;
  // The dimension whose neighbours are neighbours in memory, counted from the last: 1 is the grain
  // of a contiguous tensor. 0: none is.
  [[nodiscard]] std::size_t grain(NodeId id) const;

  // The kernel of a product or of fused attention.
  [[nodiscard]] Kernel product(NodeId id) const;
  // Of another op that stands alone: it reads its operands and writes its result.
  [[nodiscard]] Kernel other(NodeId id) const;
  // float32 to the low type and back: six bytes an element.
  [[nodiscard]] Kernel cast(double elements, const Node& reader) const;
  [[nodiscard]] Kernel kernel(KernelKind kind, std::string_view name, const Node& node) const;

 private:
  [[nodiscard]] double autocast_size(const Node& node) const;

  const Graph& graph_;
  const Execution& execution_;
  double product_size_ = 4;
  double param_size_ = 4;
  std::vector<double> sizes_;
};

// The two views of a trace.
[[nodiscard]] std::vector<Kernel> eager_kernels(const Layout& layout);
[[nodiscard]] std::vector<Kernel> compiled_kernels(const Layout& layout);

}  // namespace vitals::latency
