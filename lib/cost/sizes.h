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

}  // namespace vitals
