// The modules of a checkpoint as its tensors' names tell them, with parameters and bytes summed up
// the tree: what can be said without knowing the model.
#pragma once

#include "cost/rollup.h"
#include "frontends/checkpoint/checkpoint.h"

namespace vitals {

struct CheckpointTree {
  // Modules and parameters only, no ops. Parameter i is checkpoint.tensors[i]; a module's type is
  // what its own tensors are stored in ("F32", "BF16 + F32"), empty where it has none.
  Graph graph;
  Rollup params;    // elements of floating-point tensors
  Rollup elements;  // of all tensors: indices, masks and packed weights too
  Rollup bytes;
};

// Names are a stranger's: many paths must not cost much.
inline constexpr std::size_t kMaxCheckpointModules = 1'000'000;

// Throws Error when the names make more modules than that.
[[nodiscard]] CheckpointTree tree_of(const Checkpoint& checkpoint,
                                     std::size_t max_modules = kMaxCheckpointModules);

}  // namespace vitals
