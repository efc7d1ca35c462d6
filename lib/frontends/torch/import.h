// A recorded forward call as the trace that every reading of vitals folds over: ATen operators
// become our ops by a table of rules, linear layers and dropout are put together again, and what
// has no rule is an opaque op, which marks all totals as lower bounds. Knows no files.
#pragma once

#include "frontends/torch/trace_file.h"
#include "graph/graph.h"

namespace vitals::torch {

// Throws Error for sizes that do not fit into 64 bits; the trace must have been checked.
[[nodiscard]] Graph import_trace(const TraceFile& trace);

}  // namespace vitals::torch
