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
std::uint64_t less(std::uint64_t a, std::uint64_t b) { return a < b ? 0 : a - b; }
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

// A tap that falls on the padding is multiplied with its zero. A transposed one adds every product
// to the bias, or to nothing.
Arithmetic arithmetic_of(const op::Conv& o, const Graph& graph, const Node& node) {
  if (o.transposed) {
    Arithmetic a;
    a.multiplications = a.additions = macs_formula(graph, node);
    return a;
  }
  const auto taps = o.in / o.groups * taps_of(o.kernel, o.spatial_dims);
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

template <OneOf<op::Binary, op::Unary> O>
Arithmetic arithmetic_of(const O& o, const Graph&, const Node& node) {
  return per_element(traits(o.kind).arithmetic, node);
}

template <class O>
requires(kTraits<O>.per_element) Arithmetic
    arithmetic_of(const O&, const Graph&, const Node& node) {
  return per_element(kTraits<O>.arithmetic, node);
}

// exp(x - max) / sum, or x - max - log(sum)
Arithmetic arithmetic_of(const op::Softmax& o, const Graph&, const Node& node) {
  const auto c = node.shape.at(o.axis);
  const Formula::Factor rows{"rows", elements_of(node.shape) / std::max<std::uint64_t>(c, 1)};
  const Formula::Factor all{"c", c};
  const Formula::Factor c1{"(c - 1)", less_one(c)};
  Arithmetic a;
  a.comparisons = {rows, c1};
  a.exponentials = {rows, all};
  if (o.log) {
    a.additions = Formula{rows, all}.plus({rows, c1}).plus({rows, all});
    a.logarithms = {rows};
    return a;
  }
  a.additions = Formula{rows, all}.plus({rows, c1});
  a.divisions = {rows, all};
  return a;
}

// Each of the k looks through what the ones before it left.
Arithmetic arithmetic_of(const op::TopK& o, const Graph& graph, const Node& node) {
  const auto n = input_shape(graph, node, 0).at(o.axis);
  Arithmetic a;
  a.comparisons = {{"rows", elements_of(node.shape) / std::max<std::uint64_t>(o.k, 1)},
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
  const auto length = reduced_length(o, input_shape(graph, node, 0));
  const auto n = elements(node);
  const Formula steps{n, {"(length - 1)", less_one(length)}};
  const Formula all{n, {"length", length}};
  Arithmetic a;
  switch (o.kind) {
    using enum op::ReduceKind;
    case max:
    case min:
      a.comparisons = steps;
      return a;
    case prod:
      a.multiplications = steps;
      return a;
    case l1:
      a.comparisons = all;
      break;
    case l2:
      a.multiplications = all;
      a.square_roots = {n};
      break;
    case sum_square:
      a.multiplications = all;
      break;
    case log_sum:
      a.logarithms = {n};
      break;
    case log_sum_exp:  // max + log(sum(exp(x - max)))
      a.comparisons = steps;
      a.exponentials = all;
      a.logarithms = {n};
      a.additions = Formula{all}.plus({n});
      a.additions.plus(steps);
      return a;
    case mean:
      a.divisions = {n};
      break;
    case sum:
      break;
  }
  a.additions = steps;
  return a;
}

Arithmetic arithmetic_of(const op::ArgReduce& o, const Graph& graph, const Node& node) {
  Arithmetic a;
  a.comparisons = {elements(node),
                   {"(length - 1)", less_one(input_shape(graph, node, 0).at(o.axis))}};
  return a;
}

Arithmetic arithmetic_of(const op::Cumulative& o, const Graph&, const Node& node) {
  const auto length = node.shape.at(o.axis);
  const Formula steps{{"rows", elements_of(node.shape) / std::max<std::uint64_t>(length, 1)},
                      {"(length - 1)", less_one(length)}};
  Arithmetic a;
  (o.kind == op::CumulativeKind::sum ? a.additions : a.multiplications) = steps;
  return a;
}

// factor = w / sqrt(var + eps) and (x - mean) * factor + b, by channel; in training the statistics
// before them, for whose sum of squares x - mean is computed once more.
Arithmetic arithmetic_of(const op::BatchNorm& o, const Graph&, const Node& node) {
  const auto channels = node.shape[1];
  const auto length = elements_of(node.shape) / std::max<std::uint64_t>(channels, 1);
  const Formula::Factor c{"channels", channels};
  const Formula::Factor p{"positions", length};
  const Formula::Factor p1{"(positions - 1)", less_one(length)};
  Arithmetic a;
  a.multiplications = {c, p};
  a.additions = Formula{c, p}.plus({c});
  if (o.affine) {
    a.multiplications.plus({c});
    a.additions.plus({c, p});
  }
  a.divisions = {c};
  a.square_roots = {c};
  if (o.training) {
    a.multiplications.plus({c, p});
    a.additions.plus({times(2), c, p1}).plus({c, p});
    a.divisions.plus({times(2), c});
  }
  return a;
}

// (x - mean) / sqrt(var + eps) * w + b over the elements of a group; x - mean is computed twice,
// for the variance and for the result.
Arithmetic arithmetic_of(const op::GroupNorm& o, const Graph&, const Node& node) {
  const auto groups = node.shape[0] * o.groups;
  const auto length = elements_of(node.shape) / std::max<std::uint64_t>(groups, 1);
  const Formula::Factor g{"groups", groups};
  const Formula::Factor n{"elements of a group", length};
  const Formula::Factor n1{"(elements - 1)", less_one(length)};
  Arithmetic a;
  a.multiplications = {times(o.affine ? 3 : 2), g, n};
  a.additions = Formula{times(2), g, n1}.plus({times(o.affine ? 3 : 2), g, n}).plus({g});
  a.divisions = {times(3), g};
  a.square_roots = {g};
  return a;
}

// Zeros stand beside the first and the last channel; x / exp(beta log(k + factor sum)).
Arithmetic arithmetic_of(const op::LocalResponseNorm& o, const Graph&, const Node& node) {
  const auto n = elements(node);
  Arithmetic a;
  a.multiplications = Formula{n, {"size", o.size}}.plus({times(2), n});
  a.additions = Formula{n, {"(size - 1)", less_one(o.size)}}.plus({n});
  a.divisions = a.exponentials = a.logarithms = {n};
  return a;
}

// What a window of so many elements takes, all outputs together.
Arithmetic windows(op::PoolKind kind, const Node& node, const Formula& all, const Formula& steps) {
  const auto n = elements(node);
  Arithmetic a;
  switch (kind) {
    case op::PoolKind::max:
      a.comparisons = steps;
      break;
    case op::PoolKind::avg:
      a.additions = steps;
      a.divisions = {n};
      break;
    case op::PoolKind::lp:  // exp(log(sum(exp(p log(|x|)))) / p)
      a.comparisons = all;
      a.multiplications = all;
      a.exponentials = Formula{all}.plus({n});
      a.logarithms = Formula{all}.plus({n});
      a.additions = steps;
      a.divisions = {n};
      break;
  }
  return a;
}

Arithmetic arithmetic_of(const op::Pool& o, const Graph&, const Node& node) {
  const auto taps = taps_of(o.kernel, o.spatial_dims);
  return windows(o.kind, node, {elements(node), {"taps", taps}},
                 {elements(node), {"(taps - 1)", less_one(taps)}});
}

// Windows of unlike lengths: window i of `size` elements reaches from floor(i size / out) to
// ceil((i + 1) size / out) (aten/src/ATen/native/AdaptivePooling.h).
Arithmetic arithmetic_of(const op::AdaptivePool& o, const Graph& graph, const Node& node) {
  const auto& x = input_shape(graph, node, 0);
  std::uint64_t read = 1;
  std::uint64_t windows_read = 1;
  for (std::size_t d = 2; d < x.rank(); ++d) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < node.shape[d] && x[d] > 0; ++i)
      sum += adaptive_end(i, x[d], node.shape[d]) - adaptive_begin(i, x[d], node.shape[d]);
    read *= sum;
    windows_read *= node.shape[d];
  }
  const Formula::Factor maps{"samples x channels", x[0] * x[1]};
  return windows(o.kind, node, {maps, {"elements read", read}},
                 {maps, {"(elements read - windows)", less(read, windows_read)}});
}

// linear: between neighbours one dimension after the other, a + w (b - a); cubic: four weighted
// values a dimension. The weights are made once a row and not counted.
Arithmetic arithmetic_of(const op::Resize& o, const Graph& graph, const Node& node) {
  if (o.kind == op::ResizeKind::nearest) return {};
  const auto& x = input_shape(graph, node, 0);
  std::size_t dims = 0;
  for (std::size_t d = 0; d < x.rank(); ++d) dims += x[d] != node.shape[d] ? 1 : 0;
  const std::uint64_t neighbours = o.kind == op::ResizeKind::linear ? 2 : 4;
  std::uint64_t values = 0;  // that are mixed on the way to one output
  std::uint64_t mixes = 1;
  for (std::size_t d = 0; d < dims; ++d) {
    values += mixes;
    mixes *= neighbours;
  }
  Arithmetic a;
  if (values == 0) return a;
  const std::uint64_t linear = neighbours == 2 ? 1 : 4;
  a.multiplications = {elements(node), {"mixes", values * linear}};
  a.additions = {elements(node), {"mixes", values * (neighbours == 2 ? 2 : 3)}};
  return a;
}

// What a front end states: as many additions as multiplications.
Arithmetic arithmetic_of(const op::Opaque&, const Graph& graph, const Node& node) {
  Arithmetic a;
  a.multiplications = a.additions = macs_formula(graph, node);
  return a;
}

// The products as they are counted, and the gates' own arithmetic by element of the state.
Arithmetic arithmetic_of(const op::Recurrent& o, const Graph& graph, const Node& node) {
  Arithmetic a = per_element(traits(o.kind).arithmetic, node);
  a.multiplications.plus(macs_formula(graph, node));
  a.additions.plus(macs_formula(graph, node));
  return a;
}

Arithmetic arithmetic_of(const op::LinearRecurrence& o, const Graph& graph, const Node& node) {
  const auto s = state_sizes(o, graph, node);
  const Formula::Factor steps{"tokens x batch", s.steps};
  const Formula::Factor rows{s.rows_name, s.rows};
  const Formula::Factor columns{s.columns_name, s.columns};
  const auto work = traits(o.kind).arithmetic;
  Arithmetic a;
  a.multiplications = {times(work.multiplications), steps, rows, columns};
  a.additions = {times(work.additions), steps, rows, columns};
  if (work.exponentials > 0) a.exponentials = {steps, rows, columns};
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
