#include "cost/macs.h"

#include "cost/sizes.h"
#include "graph/op_traits.h"

namespace vitals {
namespace {

Formula count(const op::Linear& o, const Graph&, const Node& node) {
  return {{"rows", rows_of(node.shape)}, {"in", o.in}, {"out", o.out}};
}

// Only the experts that were chosen work.
Formula count(const op::ExpertLinear& o, const Graph&, const Node& node) {
  return {{"rows", node.shape[0]}, {"active", o.active}, {"in", o.in}, {"out", o.out}};
}

Formula count(const op::Conv& o, const Graph&, const Node& node) {
  return {{"positions", positions_of(node.shape)},
          {"out", o.out},
          {"in/groups", o.in / o.groups},
          {"kh", o.kernel[0]},
          {"kw", o.kernel[1]}};
}

// The batch is that of a: what broadcasting repeats counts once (RoPE's learned tables).
Formula count(const op::MatMul&, const Graph& graph, const Node& node) {
  const auto& a = input_shape(graph, node, 0);
  return {{"batch", batch_of(a)}, {"m", a.at(-2)}, {"k", a.at(-1)}, {"n", node.shape.at(-1)}};
}

Formula count(const op::Sdpa&, const Graph& graph, const Node& node) {
  const auto s = attention_sizes(graph, node);
  Formula both{{"batch", s.batch}, {"s", s.queries}, {"t", s.keys}, {"d", s.width}};
  return both.plus({{"batch", s.batch}, {"s", s.queries}, {"t", s.keys}, {"e", s.value_width}});
}

template <class O>
requires(!kTraits<O>.products) Formula count(const O&, const Graph&, const Node&) { return {}; }

}  // namespace

Formula macs_formula(const Graph& graph, const Node& node) {
  return std::visit([&](const auto& o) { return count(o, graph, node); }, node.op);
}

}  // namespace vitals
