#include "analysis/checkpoint.h"

namespace vitals {

std::string_view name_of(Checkpoint checkpoint) {
  switch (checkpoint) {
    case Checkpoint::none:
      return "none";
    case Checkpoint::selective:
      return "selective";
    case Checkpoint::block:
      return "block";
  }
  return "?";
}

std::optional<Checkpoint> checkpoint_named(std::string_view name) {
  for (auto checkpoint : {Checkpoint::none, Checkpoint::selective, Checkpoint::block})
    if (name_of(checkpoint) == name) return checkpoint;
  return std::nullopt;
}

std::vector<NodeRange> checkpoint_ranges(const Graph& graph, Checkpoint checkpoint) {
  switch (checkpoint) {
    case Checkpoint::none:
      return {};
    case Checkpoint::selective:
      return attention_cores(graph);
    case Checkpoint::block: {
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
