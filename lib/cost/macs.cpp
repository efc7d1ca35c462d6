#include "cost/macs.h"

#include "cost/sizes.h"
#include "graph/op_traits.h"

#include <vector>

namespace vitals {
namespace {

Formula count(const op::Linear& o, const Graph&, const Node& node) {
  return {{"rows", rows_of(node.shape)}, {"in", o.in}, {"out", o.out}};
}

// Only the experts that were chosen work.
Formula count(const op::ExpertLinear& o, const Graph&, const Node& node) {
  return {{"rows", node.shape[0]}, {"active", o.active}, {"in", o.in}, {"out", o.out}};
}

// Every position of the output, or of a transposed convolution's input, meets the whole kernel.
Formula count(const op::Conv& o, const Graph& graph, const Node& node) {
  static constexpr const char* kNames[3][3] = {{"k"}, {"kh", "kw"}, {"kd", "kh", "kw"}};
  std::vector<Formula::Factor> factors;
  if (o.transposed)
    factors = {{"input positions", positions_of(input_shape(graph, node, 0))},
               {"in", o.in},
               {"out/groups", o.out / o.groups}};
  else
    factors = {
        {"positions", positions_of(node.shape)}, {"out", o.out}, {"in/groups", o.in / o.groups}};
  for (std::size_t i = 0; i < o.spatial_dims; ++i)
    factors.push_back({kNames[o.spatial_dims - 1][i], o.kernel[i]});
  return Formula{}.plus(factors);
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

// By step and direction: every gate has a product with the input and one with the last state.
Formula count(const op::Recurrent& o, const Graph& graph, const Node& node) {
  const auto& x = input_shape(graph, node, 0);
  const Formula::Factor steps{"tokens x batch", x[0] * x[1]};
  const Formula::Factor rows{"gates x hidden", gates_of(o.kind) * o.hidden};
  const Formula::Factor directions{"directions", o.directions};
  return Formula{steps, directions, rows, {"in", o.in}}.plus(
      {steps, directions, rows, {"hidden", o.hidden}});
}

// The products that touch the state, once each: of its decay, of what is written and of what is
// read.
Formula count(const op::LinearRecurrence& o, const Graph& graph, const Node& node) {
  const auto s = state_sizes(o, graph, node);
  return {{"products", s.products},
          {"tokens x batch", s.steps},
          {s.rows_name, s.rows},
          {s.columns_name, s.columns}};
}

Formula count(const op::Opaque& o, const Graph&, const Node&) {
  return o.macs == 0 ? Formula{} : Formula{{"stated", o.macs}};
}

template <class O>
requires(!kTraits<O>.products) Formula count(const O&, const Graph&, const Node&) { return {}; }

}  // namespace

Formula macs_formula(const Graph& graph, const Node& node) {
  return std::visit([&](const auto& o) { return count(o, graph, node); }, node.op);
}

}  // namespace vitals
