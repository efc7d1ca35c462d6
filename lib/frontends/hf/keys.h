// Under which names a family's checkpoints store what our trace calls otherwise: the entries keys,
// keys_of_head and keys_left_out of specs/hf_*.json, where "~." stands for the base model's name
// under a head ("vit.") and for nothing without one.
#pragma once

#include "frontends/hf/families.h"
#include "graph/checkpoint_keys.h"

#include <memory>
#include <string>

namespace vitals {

// Null when the names are those of the trace.
[[nodiscard]] std::shared_ptr<const CheckpointKeys> hf_checkpoint_keys(const HfFamily& family,
                                                                       const std::string& head);

}  // namespace vitals
