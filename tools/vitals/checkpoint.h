// `vitals summary` of a checkpoint, and the check that a model's own checkpoint fits it.
#pragma once

#include "command.h"
#include "frontends/checkpoint/match.h"
#include "report/module_tree.h"

namespace vitals::cli {

// The summary of the checkpoint `options.model`. It is compared with the model of the config.json
// beside it; where they do not fit, Error tells what is missing, unexpected or of another shape.
[[nodiscard]] std::string checkpoint_summary(const ModelOptions& options,
                                             const OutputOptions& output, const TreeOptions& tree);

// Throws Error when the folder `options.model` holds weights that do not fit the model; otherwise
// says on standard error what was compared. Anything but a folder has no weights beside it.
void check_weights_beside(const ModelOptions& options, const Model& model, const Graph& graph);

// The same for weights that the user names.
void check_weights(const std::string& path, const Model& model, const Graph& graph);

// Lays a checkpoint beside a model, whose table of names is used.
[[nodiscard]] CheckpointFit fit_of(const Model& model, const Graph& graph,
                                   const Checkpoint& checkpoint);
// Throws Error that tells what does not fit.
[[noreturn]] void fail_misfit(const Checkpoint& checkpoint, const std::string& model,
                              const CheckpointFit& fit);

}  // namespace vitals::cli
