// A predicted step as torch.cuda.memory._dump_snapshot writes a measured one: PyTorch's memory
// viewer (pytorch.org/memory_viz) and torch/cuda/_memory_viz.py open it. Formatting only.
#pragma once

#include "memory/estimate.h"

#include <string>

namespace vitals {

// A pickle with `segments` and `device_traces`: every allocation and release in their order, with
// the module's path as file and the op as function of its frame. The estimate must have been asked
// for its record.
[[nodiscard]] std::string memory_snapshot(const Graph& graph, const MemoryEstimate& estimate);

}  // namespace vitals
