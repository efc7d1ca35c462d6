#include "cost/arithmetic.h"

#include "cost/macs.h"
#include "cost/sizes.h"
#include "graph/op_traits.h"

#include <algorithm>

namespace vitals {
namespace {

Formula::Factor times(std::uint64_t n) { return {nullptr, n}; }
// The steps of a sum of n; nothing to sum takes none.
std::uint64_t less_one(std::uint64_t n) { return n == 0 ? 0 : n - 1; }
Formula::Factor elements(const Node& node) { return {"elements", elements_of(node.shape)}; }

Arithmetic arithmetic_of(const op::Linear& o, const Graph& graph, const Node& node) {
  const auto rows = rows_of(node.shape);
  Arithmetic a;
  a.multiplications = macs_formula(graph, node);
  a.additions = o.bias ? Formula{{"rows", rows}, {"in", o.in}, {"out", o.out}}
                       : Formula{{"rows", rows}, {"(in - 1)", less_one(o.in)}, {"out", o.out}};
  return a;
}

Arithmetic arithmetic_of(const op::ExpertLinear& o, const Graph& graph, const Node& node) {
  const Formula::Factor in =
      o.bias ? Formula::Factor{"in", o.in} : Formula::Factor{"(in - 1)", less_one(o.in)};
  Arithmetic a;
  a.multiplications = macs_formula(graph, node);
  a.additions = {{"rows", node.shape[0]}, {"active", o.active}, in, {"out", o.out}};
  return a;
}

// A tap that falls on the padding is multiplied with its zero.
Arithmetic arithmetic_of(const op::Conv& o, const Graph& graph, const Node& node) {
  const auto taps = o.in / o.groups * o.kernel[0] * o.kernel[1];
  const Formula::Factor positions{"positions", positions_of(node.shape)};
  Arithmetic a;
  a.multiplications = macs_formula(graph, node);
  a.additions = o.bias ? Formula{positions, {"out", o.out}, {"taps", taps}}
                       : Formula{positions, {"out", o.out}, {"(taps - 1)", less_one(taps)}};
  return a;
}

// Every element of the output is a dot product, whatever broadcasting repeats.
Arithmetic arithmetic_of(const op::MatMul&, const Graph& graph, const Node& node) {
  const auto k = input_shape(graph, node, 0).at(-1);
  const Formula::Factor batch{"batch", batch_of(node.shape)};
  const Formula::Factor m{"m", node.shape.at(-2)};
  const Formula::Factor n{"n", node.shape.at(-1)};
  Arithmetic a;
  a.multiplications = {batch, m, {"k", k}, n};
  a.additions = {batch, m, {"(k - 1)", less_one(k)}, n};
  return a;
}

// The written-out attention: scores, scale, bias, softmax, dropout, values. A causal mask replaces
// scores that have been computed, as eager attention does. A sink is one more key for the softmax.
Arithmetic arithmetic_of(const op::Sdpa& o, const Graph& graph, const Node& node) {
  const auto z = attention_sizes(graph, node);
  const Formula::Factor batch{"batch", z.batch};
  const Formula::Factor s{"s", z.queries};
  const Formula::Factor t{"t", z.keys};
  const Formula::Factor t1{"(t - 1)", less_one(z.keys)};
  const Formula::Factor c = o.sinks ? Formula::Factor{"(t + 1)", z.keys + 1} : t;
  const Formula::Factor c1 = o.sinks ? t : t1;
  Arithmetic a;
  a.multiplications = macs_formula(graph, node);
  a.multiplications.plus({batch, s, t});  // scale
  a.additions = {batch, s, t, {"(d - 1)", less_one(z.width)}};
  if (o.bias) a.additions.plus({batch, s, t});
  a.additions.plus({batch, s, c}).plus({batch, s, c1});  // softmax
  a.additions.plus({batch, s, t1, {"e", z.value_width}});
  a.divisions = a.exponentials = {batch, s, c};
  a.comparisons = {batch, s, c1};
  if (o.dropout > 0) {
    a.multiplications.plus({batch, s, t});
    a.comparisons.plus({batch, s, t});
  }
  return a;
}

// So many operations for every element of the output.
Arithmetic per_element(const PerElement& work, const Node& node) {
  const auto n = elements(node);
  const auto formula = [&](std::uint8_t count) {
    if (count == 0) return Formula{};
    return count == 1 ? Formula{n} : Formula{times(count), n};
  };
  Arithmetic a;
  a.multiplications = formula(work.multiplications);
  a.additions = formula(work.additions);
  a.divisions = formula(work.divisions);
  a.exponentials = formula(work.exponentials);
  a.logarithms = formula(work.logarithms);
  a.error_functions = formula(work.error_functions);
  a.tangents = formula(work.tangents);
  a.circular = formula(work.circular);
  a.square_roots = formula(work.square_roots);
  a.comparisons = formula(work.comparisons);
  return a;
}

template <OneOf<op::Binary, op::Activation> O>
Arithmetic arithmetic_of(const O& o, const Graph&, const Node& node) {
  return per_element(traits(o.kind).arithmetic, node);
}

template <class O>
requires(kTraits<O>.per_element) Arithmetic
    arithmetic_of(const O&, const Graph&, const Node& node) {
  return per_element(kTraits<O>.arithmetic, node);
}

// exp(x - max) / sum
Arithmetic arithmetic_of(const op::Softmax&, const Graph&, const Node& node) {
  const Formula::Factor rows{"rows", rows_of(node.shape)};
  const Formula::Factor c{"c", node.shape.at(-1)};
  const Formula::Factor c1{"(c - 1)", less_one(node.shape.at(-1))};
  Arithmetic a;
  a.comparisons = {rows, c1};
  a.additions = Formula{rows, c}.plus({rows, c1});
  a.exponentials = a.divisions = {rows, c};
  return a;
}

// Each of the k looks through what the ones before it left.
Arithmetic arithmetic_of(const op::TopK& o, const Graph& graph, const Node& node) {
  const auto n = input_shape(graph, node, 0).at(-1);
  Arithmetic a;
  a.comparisons = {{"rows", rows_of(node.shape)},
                   {"(k (n - 1) - k (k - 1) / 2)", o.k * less_one(n) - o.k * less_one(o.k) / 2}};
  return a;
}

// y = (x - mean) / sqrt(var + eps) * weight + bias, with one reciprocal a row
Arithmetic arithmetic_of(const op::LayerNorm& o, const Graph&, const Node& node) {
  const Formula::Factor rows{"rows", rows_of(node.shape)};
  const Formula::Factor c{"c", node.shape.at(-1)};
  const Formula::Factor c1{"(c - 1)", less_one(node.shape.at(-1))};
  Arithmetic a;
  a.multiplications = {rows, times(o.affine ? 3 : 2), c};
  a.additions = Formula{rows, times(2), c1}.plus({rows, c}).plus({rows});
  if (o.affine && o.bias) a.additions.plus({rows, c});
  a.divisions = {times(3), rows};
  a.square_roots = {rows};
  return a;
}

// y = x / sqrt(mean(x^2) + eps) * weight, with one reciprocal a row
Arithmetic arithmetic_of(const op::RmsNorm& o, const Graph&, const Node& node) {
  const Formula::Factor rows{"rows", rows_of(node.shape)};
  const Formula::Factor c{"c", node.shape.at(-1)};
  Arithmetic a;
  a.multiplications = {rows, times(o.affine ? 3 : 2), c};
  a.additions = Formula{rows, {"(c - 1)", less_one(node.shape.at(-1))}}.plus({rows});
  a.divisions = {times(2), rows};
  a.square_roots = {rows};
  return a;
}

// g = sqrt(sum of x^2) and n = g / (mean(g) + eps) a channel; x + (w (x n) + b)
Arithmetic arithmetic_of(const op::GlobalResponseNorm&, const Graph&, const Node& node) {
  const auto channels = node.shape.at(-1);
  const auto positions = rows_of(node.shape) / std::max<std::uint64_t>(node.shape[0], 1);
  const Formula::Factor samples{"samples", node.shape[0]};
  const Formula::Factor p{"positions", positions};
  const Formula::Factor c{"c", channels};
  Arithmetic a;
  a.multiplications = {times(3), samples, p, c};
  a.additions = Formula{samples, {"(positions - 1)", less_one(positions)}, c}
                    .plus({samples, {"(c - 1)", less_one(channels)}})
                    .plus({samples})
                    .plus({times(2), samples, p, c});
  a.divisions = {samples, {"(c + 1)", channels + 1}};
  a.square_roots = {samples, c};
  return a;
}

Arithmetic arithmetic_of(const op::DropPath&, const Graph&, const Node& node) {
  Arithmetic a;
  a.comparisons = {{"samples", node.shape[0]}};
  a.multiplications = {elements(node)};
  return a;
}

Arithmetic arithmetic_of(const op::Reduce& o, const Graph& graph, const Node& node) {
  const auto& x = input_shape(graph, node, 0);
  const Formula steps{elements(node), {"(length - 1)", less_one(x.at(o.axis))}};
  Arithmetic a;
  if (o.kind == op::ReduceKind::max) {
    a.comparisons = steps;
    return a;
  }
  a.additions = steps;
  if (o.kind == op::ReduceKind::mean) a.divisions = {elements(node)};
  return a;
}

// x * cos + rotate(x) * sin on the rotated features
Arithmetic arithmetic_of(const op::Rope& o, const Graph&, const Node& node) {
  const Formula::Factor rows{"rows", rows_of(node.shape)};
  Arithmetic a;
  a.multiplications = {times(2), rows, {"dim", o.dim}};
  a.additions = {rows, {"dim", o.dim}};
  return a;
}

}  // namespace

Arithmetic arithmetic(const Graph& graph, const Node& node) {
  return std::visit([&](const auto& o) { return arithmetic_of(o, graph, node); }, node.op);
}

Count operations(const Arithmetic& arithmetic) {
  Count sum;
  for (const auto& kind : kArithmeticKinds) sum += (arithmetic.*kind.member).value();
  return sum;
}

}  // namespace vitals
