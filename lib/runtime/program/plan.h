// Where the buffers of a program lie in one arena. What is planned here is what the executor
// allocates, to the byte. Knows buffers and the steps that touch them; no ops, no addresses.
#pragma once

#include "runtime/program/program.h"

namespace vitals {

// Offsets are multiples of this: whole cache lines, so that no two buffers share one.
inline constexpr std::uint64_t kArenaAlignment = 64;

struct Plan {
  std::vector<std::uint64_t> offset;  // by BufferId, in bytes; 0 for what is not in the arena
  std::uint64_t bytes = 0;            // of the whole arena
  std::uint64_t live_bytes = 0;  // the most that is live during any one step: no plan is smaller
};

// Lets the output of a step take the place of an input that nobody reads later, where the step
// allows it. The program computes the same with fewer buffers.
void reuse_in_place(Program& program);

// Buffers that live at the same time do not overlap. Longest first, each at the lowest gap that
// takes it (Pisarchyk and Lee 2020, arXiv:2001.03288, "greedy by size"). `share` false gives every
// buffer a place of its own.
[[nodiscard]] Plan plan_memory(const Program& program, bool share = true);

}  // namespace vitals
