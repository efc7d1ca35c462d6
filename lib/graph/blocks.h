// The repeated blocks of a model, found in the trace alone: what gradient checkpointing wraps, what
// a pipeline cuts between, what rules of thumb count. Knows structure, no architecture.
#pragma once

#include "graph/graph.h"

#include <vector>

namespace vitals {

// The calls of the model's blocks, in order. A stack is a numbered list of non-trivial modules of
// one type, each of which gets what its predecessor returned; the innermost stacks are the blocks.
// Empty when there is none.
[[nodiscard]] std::vector<CallId> block_calls(const Graph& graph);

// The cores of written-out attention: from the product that makes the scores to the one that weighs
// the values, as node ranges [begin, end). Empty for fused attention.
struct NodeRange {
  NodeId begin = 0;
  NodeId end = 0;
};
[[nodiscard]] std::vector<NodeRange> attention_cores(const Graph& graph);

}  // namespace vitals
