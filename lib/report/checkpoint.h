// A checkpoint in its forms: the tree of its modules, the list of its tensors, JSON; and what does
// not fit when it is laid beside a model.
#pragma once

#include "frontends/checkpoint/checkpoint_tree.h"
#include "frontends/checkpoint/match.h"
#include "report/module_tree.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

namespace vitals {

// A checkpoint with its readings, and with the model that it was compared with, if there was one.
struct CheckpointReport {
  const Checkpoint* checkpoint = nullptr;
  const CheckpointTree* tree = nullptr;
  const CheckpointFit* fit = nullptr;
  std::string config;  // what the model was read from
};

// Nested: module, dtype, parameters and their share, bytes. Folded lines show one of their modules.
[[nodiscard]] Table checkpoint_tree_table(const CheckpointReport& report, TreeOptions options);

// Flat, one row a tensor: name, dtype, shape, parameters, bytes, file. Raw numbers.
[[nodiscard]] Table checkpoint_tensors(const Checkpoint& checkpoint);

// The lines below the tree: totals by dtype, files, shared tensors, the comparison.
[[nodiscard]] std::string checkpoint_totals(const CheckpointReport& report);

[[nodiscard]] nlohmann::ordered_json checkpoint_json(const CheckpointReport& report);

// "12 of 14 tensors fit; 1 is missing: ..., 1 unexpected: ...", several lines; for messages.
[[nodiscard]] std::string misfit_text(const CheckpointFit& fit);

}  // namespace vitals
