// torchinfo's way of counting a model: everything from the parameters and output shapes of modules,
// nothing from the ops that run. Two versions of it are in use.
#pragma once

#include "cost/formula.h"
#include "graph/graph.h"

#include <functional>

namespace vitals {

enum class TorchinfoVersion : std::uint8_t {
  v1_8,  // the last release (2023): a Linear counts its parameters once a sample
  main,  // since November 2024: once a row
};

// Calls visit(call, formula) with the mult-adds of every call of a module without children, one
// formula a parameter. The rule (LayerInfo.calculate_macs): a weight or bias counts once for every
// output position of a convolution, every row of a Linear and every sample of anything else;
// parameters with "weight" or "bias" inside of their name are taken for a recurrent layer's; others
// do not count.
void visit_torchinfo(const Graph& graph, TorchinfoVersion version,
                     const std::function<void(const Call&, const Formula&)>& visit);

// The figures below the table of torchinfo's main branch, in bytes of float32. Its output size is
// that of modules without children that have parameters, twice (for the gradients). An input counts
// the 56 bytes of its Python object as well.
struct TorchinfoTotals {
  Count params;
  Count mult_adds;
  Count input_bytes;
  Count output_bytes;
  Count param_bytes;
};
[[nodiscard]] TorchinfoTotals torchinfo_totals(const Graph& graph);

}  // namespace vitals
