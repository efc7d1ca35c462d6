// Steps as calls that can be made: addresses in place of views, weights packed. Must not decide
// anything about layouts or fusion; the program has.
#pragma once

#include "runtime/kernels/engine.h"
#include "runtime/program/params.h"
#include "runtime/program/program.h"

#include <functional>

namespace vitals {

struct Binding {
  const Graph& graph;
  const Program& program;
  Engine& engine;
  WeightStore& store;
  const ParamSource& params;
  Element weights;             // how dense layers keep theirs
  std::vector<void*> address;  // by BufferId, null for those nobody reads
};

// One call a step, in order. Packs every weight into the store.
[[nodiscard]] std::vector<std::function<void()>> bind(const Binding& binding);

[[nodiscard]] Element element_of(DType dtype);  // f32 or bf16

}  // namespace vitals
