// What a program needs that no input changes: parameters as values, masks, position tables, bias
// tables picked apart. Computed once, by the reference kernels. Must not know the arena or steps'
// kernels.
#pragma once

#include "runtime/program/params.h"
#include "runtime/program/program.h"

namespace vitals {

// By BufferId: the values of the fixed buffers that steps and kept values read, row-major in fp32;
// empty for all others. Throws Error that names the module of a constant whose values are unknown.
[[nodiscard]] std::vector<std::vector<float>> fixed_values(const Graph& graph,
                                                           const Program& program,
                                                           const ParamSource& params);

}  // namespace vitals
