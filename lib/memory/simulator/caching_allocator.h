// PyTorch's caching CUDA allocator (c10/cuda/CUDACachingAllocator.cpp, default settings), replayed
// over the allocations of a step: how much memory a device must have so that the step runs, which
// is more than what is live, because freed memory is kept in pieces. Knows sizes, no tensors.
#pragma once

#include "core/count.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace vitals::eager {

struct MemoryEvent {
  std::uint64_t allocation = 0;  // its number
  std::uint64_t bytes = 0;
  bool freed = false;
};

struct MemoryLog {
  std::vector<MemoryEvent> before;  // weights, states, input
  std::vector<MemoryEvent> step;
};

// The least memory, within 16 MiB, in which the step runs again and again. What is left when a step
// ends is freed when the next one begins. With a budget the search stops as soon as it is known
// whether that memory fits: the answer is then another value on the same side of the budget (equal
// to it: it fits), which takes a fraction of the time.
[[nodiscard]] Count least_capacity(const MemoryLog& log, std::optional<Count> budget = {});

}  // namespace vitals::eager
