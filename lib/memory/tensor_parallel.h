// How a model is cut over tensor-parallel ranks, found in the trace alone: Megatron's column- and
// row-parallel layers (Shoeybi et al. 2019, arXiv:1909.08053), and the residual stream along the
// sequence (Korthikanti et al. 2022, arXiv:2205.05198). Knows structure, no bytes.
#pragma once

#include "graph/graph.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace vitals {

struct TensorParallel {
  std::uint64_t ranks = 1;
  bool sequence = false;
  std::vector<Cut> cuts;             // by node: of linears and expert linears
  std::vector<std::uint64_t> parts;  // by parameter: into so many pieces it is cut
  std::vector<bool> scattered;       // by node: its output is cut along the sequence

  [[nodiscard]] Cut cut(NodeId node) const { return cuts.empty() ? Cut::none : cuts[node]; }
  [[nodiscard]] std::uint64_t split(ParamId param) const {
    return parts.empty() ? 1 : parts[param];
  }
  // Of keys and values: where there are fewer heads than ranks, several ranks hold the same one.
  [[nodiscard]] std::uint64_t split(const KvCache& cache) const {
    return std::min(ranks, cache.heads);
  }
  [[nodiscard]] bool scatters(NodeId node) const { return !scattered.empty() && scattered[node]; }
};

// Of a joint projection of queries, keys and values every rank holds 1 / ranks, even where it
// repeats a key's head. Throws Error when the heads or features of a layer do not divide by the
// ranks, or when there is nothing to cut.
[[nodiscard]] TensorParallel plan_tensor_parallel(const Graph& graph, std::uint64_t ranks,
                                                  bool sequence);

}  // namespace vitals
