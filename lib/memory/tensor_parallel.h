// How a model is cut over tensor-parallel ranks, by the roles of its weights: Megatron's column-
// and row-parallel layers and vocabulary-parallel tables (Shoeybi et al. 2019, arXiv:1909.08053),
// and the residual stream along the sequence (Korthikanti et al. 2022, arXiv:2205.05198). Knows no
// bytes.
#pragma once

#include "graph/graph.h"

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <vector>

namespace vitals {

// What one rank holds of a whole: own / of. Not always one piece of several equal ones: a rank's
// part of a joint projection may repeat a head of keys, its part of a vocabulary may be padded.
struct Split {
  std::uint64_t own = 1;
  std::uint64_t of = 1;

  // So many pieces, rounded up.
  // NOLINTNEXTLINE(google-explicit-constructor): activations are cut into equal pieces
  operator std::uint64_t() const { return (of + own - 1) / own; }

  // Cut once more, into n equal pieces.
  template <std::integral T>
  [[nodiscard]] friend Split operator*(const Split& s, T n) {
    return {s.own, s.of * static_cast<std::uint64_t>(n)};
  }
};

struct TensorParallel {
  std::uint64_t ranks = 1;
  bool sequence = false;
  std::vector<Cut> cuts;        // by node: of linears and expert linears
  std::vector<Split> splits;    // by parameter
  std::vector<bool> scattered;  // by node: its output is cut along the sequence
  // Where the ranks do not divide the vocabulary: its words, and the rows of the padded tables.
  std::uint64_t words = 0;
  std::uint64_t padded_words = 0;

  [[nodiscard]] Cut cut(NodeId node) const { return cuts.empty() ? Cut::none : cuts[node]; }
  [[nodiscard]] Split split(ParamId param) const {
    return splits.empty() ? Split{} : splits[param];
  }
  // Of keys and values: where there are fewer heads than ranks, several ranks hold the same one.
  [[nodiscard]] std::uint64_t split(const KvCache& cache) const {
    return std::min(ranks, cache.heads);
  }
  [[nodiscard]] bool scatters(NodeId node) const { return !scattered.empty() && scattered[node]; }
};

// Heads and features are shared out evenly; fewer heads of keys and values than ranks are held by
// several ranks each. Throws Error when the heads or features of a layer do not divide by the
// ranks, or when there is nothing to cut.
[[nodiscard]] TensorParallel plan_tensor_parallel(const Graph& graph, std::uint64_t ranks,
                                                  bool sequence);

}  // namespace vitals
