// Bytes that an op moves when each operand is read once and each result written once: the memory
// side of a roofline. Views move nothing. Knows no caches and no fusion.
#pragma once

#include "cost/formula.h"
#include "graph/graph.h"

namespace vitals {

// In the trace's own element types, parameters in float32. An operand that is expanded counts what
// lies in memory; a table counts the rows that are looked up.
struct Traffic {
  Formula read;
  Formula written;
};

[[nodiscard]] Traffic traffic(const Graph& graph, const Node& node);

[[nodiscard]] inline Count bytes_moved(const Graph& graph, const Node& node) {
  const auto t = traffic(graph, node);
  return t.read.value() + t.written.value();
}

// FLOPs per byte (Williams et al. 2009, "Roofline"); zero where nothing moves.
[[nodiscard]] inline double arithmetic_intensity(Count flops, Count bytes) {
  return bytes == Count(0) ? 0.0 : flops.as_double() / bytes.as_double();
}

}  // namespace vitals
