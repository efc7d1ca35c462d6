// The steps of a program as kernels with a cost: what `vitals bench` runs, for predicting how long
// it takes. Knows no times.
#pragma once

#include "latency/kernel.h"
#include "runtime/program/program.h"

namespace vitals {

// One kernel a step, in order. Their FLOPs are the trace's: twice its MACs.
[[nodiscard]] std::vector<latency::Kernel> step_kernels(const Graph& graph, const Program& program,
                                                        Element precision);

// Of the trace as vitals would run it. Throws Error as lower() does.
[[nodiscard]] std::vector<latency::Kernel> step_kernels(const Graph& graph, Element precision);

}  // namespace vitals
