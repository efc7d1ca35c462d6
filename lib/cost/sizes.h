// The sizes by which formulas speak of an op: rows, positions, batch, queries, keys. Products of
// dimensions of tensors that the builder has checked, so they always fit.
#pragma once

#include "graph/graph.h"

namespace vitals {

[[nodiscard]] inline const Shape& input_shape(const Graph& graph, const Node& node, std::size_t i) {
  return graph.nodes[node.inputs[i]].shape;
}

[[nodiscard]] inline std::uint64_t leading(const Shape& shape, std::size_t dims) {
  std::uint64_t product = 1;
  for (std::size_t i = 0; i < dims; ++i) product *= shape[i];
  return product;
}

[[nodiscard]] inline std::uint64_t elements_of(const Shape& s) { return leading(s, s.rank()); }
// Of a node's output that lie in memory: an expanded dimension (stride 0) repeats them.
[[nodiscard]] inline std::uint64_t stored_elements(const Node& node) {
  std::uint64_t product = 1;
  for (std::size_t i = 0; i < node.shape.rank(); ++i)
    if (node.strides[i] != 0) product *= node.shape[i];
  return product;
}
// Vectors along the last dimension.
[[nodiscard]] inline std::uint64_t rows_of(const Shape& s) { return leading(s, s.rank() - 1); }
// Matrices in the last two dimensions.
[[nodiscard]] inline std::uint64_t batch_of(const Shape& s) { return leading(s, s.rank() - 2); }
// Output positions of a convolution, those of all samples: [B, C, spatial...].
[[nodiscard]] inline std::uint64_t positions_of(const Shape& s) {
  std::uint64_t product = s[0];
  for (std::size_t i = 2; i < s.rank(); ++i) product *= s[i];
  return product;
}

// q [batch..., s, d], k [batch..., t, d], v [batch..., t, e].
struct AttentionSizes {
  std::uint64_t batch = 0;
  std::uint64_t queries = 0;
  std::uint64_t keys = 0;
  std::uint64_t width = 0;
  std::uint64_t value_width = 0;
};

[[nodiscard]] inline AttentionSizes attention_sizes(const Graph& graph, const Node& node) {
  const auto& q = input_shape(graph, node, 0);
  const auto& v = input_shape(graph, node, 2);
  return {batch_of(q), q.at(-2), v.at(-2), q.at(-1), v.at(-1)};
}

// Gates of a recurrent layer: how many vectors of `hidden` a step computes.
[[nodiscard]] constexpr std::uint64_t gates_of(op::RecurrentKind kind) {
  switch (kind) {
    case op::RecurrentKind::gru:
      return 3;
    case op::RecurrentKind::lstm:
      return 4;
    case op::RecurrentKind::rnn_tanh:
    case op::RecurrentKind::rnn_relu:
      return 1;
  }
  return 1;
}

// The state of a linear recurrence, rows x columns for all its channels or heads, and the products
// of one step that touch each of its elements.
struct StateSizes {
  std::uint64_t steps = 0;  // tokens of all samples
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::uint64_t products = 0;
  const char* rows_name = "";
  const char* columns_name = "";
};

// h = decay h + input, y = state read: 3 products. Linear attention has a decay only with a gate;
// the delta rule reads the state once more before it writes.
[[nodiscard]] inline StateSizes state_sizes(const op::LinearRecurrence& o, const Graph& graph,
                                            const Node& node) {
  const auto& x = input_shape(graph, node, 0);
  const auto steps = x[0] * x[1];
  switch (o.kind) {
    case op::RecurrenceKind::selective_scan:
      return {steps, x[2], input_shape(graph, node, 2).at(-1), 3, "channels", "state"};
    case op::RecurrenceKind::ssd:
      return {steps, x[2] * x[3], input_shape(graph, node, 3).at(-1), 3, "heads x width", "state"};
    case op::RecurrenceKind::linear_attention:
      return {steps,         x[2] * x[3], node.shape.at(-1), node.inputs.size() > 3 ? 3U : 2U,
              "heads x key", "value"};
    case op::RecurrenceKind::gated_delta:
      return {steps, x[2] * x[3], node.shape.at(-1), 4, "heads x key", "value"};
  }
  return {};
}

// Elements along the axes that a reduction sums over.
[[nodiscard]] inline std::uint64_t reduced_length(const op::Reduce& o, const Shape& x) {
  std::uint64_t length = x.at(o.axis);
  for (auto axis : o.more)
    if (axis != x.index(o.axis)) length *= x[axis];
  return length;
}

// Elements of a window.
[[nodiscard]] inline std::uint64_t taps_of(const op::Extent& kernel, std::size_t dims) {
  std::uint64_t taps = 1;
  for (std::size_t i = 0; i < dims; ++i) taps *= kernel[i];
  return taps;
}

}  // namespace vitals
