// `vitals flops` in its forms: totals, by kind of op, by module, by convention, JSON. Arithmetic is
// done by analysis.
#pragma once

#include "conventions/conventions.h"
#include "cost/generation.h"
#include "cost/training_compute.h"
#include "cost/training_flops.h"
#include "report/module_tree.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

namespace vitals {

// One model twice: as it is evaluated and as it is trained, which may drop patches and keep heads
// apart.
struct FlopsModel {
  Graph graph;
  Graph training;
  ActivationCheckpointing checkpoint = ActivationCheckpointing::none;
  std::optional<Generation> generation = {};    // of a language model, when it is asked for
  std::optional<TrainingCompute> compute = {};  // of a whole training
};

// What a step costs; with `parts`, training by pass and every arithmetic operation too.
[[nodiscard]] Table flops_totals(const FlopsModel& model, bool parts);

// One row a kind of op, the most work first.
[[nodiscard]] Table flops_by_op(const Graph& graph);

// Nested; MACs, FLOPs, bytes and arithmetic intensity of a module with all that is below it.
[[nodiscard]] Table flops_tree(const Graph& graph, const TreeOptions& options);

// Nested; what one convention counts. Its sentence is a note.
[[nodiscard]] Table flops_tree(const Graph& graph, const Convention& convention,
                               const TreeOptions& options);

// One row a convention; their sentences are notes.
[[nodiscard]] Table flops_by_convention(const Graph& graph);
// The same as raw numbers: what does not apply has none.
[[nodiscard]] Table convention_numbers(const Graph& graph);

// Flat, one row a module with its own figures and those of all below. Raw numbers.
[[nodiscard]] Table flops_modules(const FlopsModel& model);
[[nodiscard]] Table flops_modules(const Graph& graph, const Convention& convention);

[[nodiscard]] nlohmann::ordered_json flops_json(const FlopsModel& model);
// What one convention counts, by module; null where it does not apply.
[[nodiscard]] nlohmann::ordered_json convention_json(const Graph& graph,
                                                     const Convention& convention);

}  // namespace vitals
