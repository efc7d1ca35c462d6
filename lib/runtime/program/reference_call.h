// A node that its reference kernel computes, with all that it reads: the slow way for ops without a
// kernel of their own, and for values that are computed once. Knows no program.
#pragma once

#include "graph/graph.h"
#include "runtime/program/strided.h"

#include <array>
#include <cstdint>
#include <vector>

namespace vitals {

class ReferenceCall {
 public:
  // `params`: the values of node.params, null where there is none. What is pointed at must live as
  // long as the call. Throws Error where the rows that a Gather reads are not known.
  ReferenceCall(const Graph& graph, const Node& node, std::vector<Strided<const float>> inputs,
                std::array<const float*, 2> params, Strided<float> out);
  void operator()() const;

 private:
  const Node* node_;
  std::vector<Strided<const float>> inputs_;
  std::array<Strided<const float>, 2> params_;
  Strided<float> out_;
  std::vector<std::int64_t> rows_;
};

// Throws Error: values that only the model's own code knows.
[[noreturn]] void values_unknown(const Graph& graph, const Node& node);

}  // namespace vitals
