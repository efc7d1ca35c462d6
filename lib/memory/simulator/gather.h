// ZeRO's third stage: weights live in parts, and are gathered for one unit at a time. A unit is a
// block with all that it holds; what stands outside the blocks stays gathered (as FSDP's root unit
// does; Zhao et al. 2023, arXiv:2304.11277). Knows when, not why.
#pragma once

#include "memory/simulator/recipe.h"

#include <functional>
#include <vector>

namespace vitals::eager {

class Gatherer {
 public:
  // Does nothing below stage 3, unless the weights of inference are offloaded: then a unit is a
  // module with weights of its own.
  Gatherer(const Graph& graph, const StepOptions& options, Memory& memory);

  void begin();                 // gathers what stays
  void enter(ModuleId module);  // gathers the unit of this module and lets the last one go
  void end();

  // Called with the parameters of a unit when it is let go, and of the root in the end.
  std::function<void(const std::vector<ParamId>&)> on_leave;

 private:
  void leave();
  void make_modules(const Graph& graph, const StepOptions& options);
  void make_units(const Graph& graph, const StepOptions& options);

  Memory& memory_;
  std::vector<std::uint32_t> unit_of_;  // by module; 0 is what stands outside the blocks
  std::vector<Count> bytes_;            // by unit
  std::vector<std::vector<ParamId>> params_;
  StoragePtr root_;
  StoragePtr current_;
  std::uint32_t unit_ = 0;
};

}  // namespace vitals::eager
