// Activation checkpointing: which parts of the forward pass are run again in the backward pass,
// because their results were not kept. Memory and FLOPs read it alike.
#pragma once

#include "graph/blocks.h"

#include <optional>
#include <string_view>
#include <vector>

namespace vitals {

// none: autograd keeps everything. selective: the cores of attention are run again (Korthikanti et
// al. 2022, arXiv:2205.05198). block: every block is (Chen et al. 2016, arXiv:1604.06174).
enum class ActivationCheckpointing : std::uint8_t { none, selective, block };

[[nodiscard]] std::string_view name_of(ActivationCheckpointing checkpoint);
[[nodiscard]] std::optional<ActivationCheckpointing> checkpoint_named(std::string_view name);

// The nodes that are run again, in order, without overlaps.
[[nodiscard]] std::vector<NodeRange> checkpoint_ranges(const Graph& graph,
                                                       ActivationCheckpointing checkpoint);

}  // namespace vitals
