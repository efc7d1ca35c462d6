#include "graph/recomputation.h"

namespace vitals {

std::string_view name_of(ActivationCheckpointing checkpoint) {
  switch (checkpoint) {
    case ActivationCheckpointing::none:
      return "none";
    case ActivationCheckpointing::selective:
      return "selective";
    case ActivationCheckpointing::block:
      return "block";
  }
  return "?";
}

std::optional<ActivationCheckpointing> checkpoint_named(std::string_view name) {
  for (auto checkpoint : {ActivationCheckpointing::none, ActivationCheckpointing::selective,
                          ActivationCheckpointing::block})
    if (name_of(checkpoint) == name) return checkpoint;
  return std::nullopt;
}

std::vector<NodeRange> checkpoint_ranges(const Graph& graph, ActivationCheckpointing checkpoint) {
  switch (checkpoint) {
    case ActivationCheckpointing::none:
      return {};
    case ActivationCheckpointing::selective:
      return attention_cores(graph);
    case ActivationCheckpointing::block: {
      std::vector<NodeRange> ranges;
      for (const auto id : block_calls(graph)) {
        const auto& call = graph.calls[id];
        if (call.end > call.begin) ranges.push_back({call.begin, call.end});
      }
      return ranges;
    }
  }
  return {};
}

}  // namespace vitals
