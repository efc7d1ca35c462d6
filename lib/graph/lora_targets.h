// Which matrices get a low-rank adapter: names that users write, as PEFT takes them, to weights of
// the trace. Knows names of users and roles of weights, no memory.
#pragma once

#include "graph/graph.h"

#include <string>
#include <vector>

namespace vitals {

// A weight of linear layers, or the part of it whose output features are [begin, begin + length):
// the queries of a joint projection.
struct LoraTarget {
  ParamId weight = kNone;
  std::uint64_t begin = 0;
  std::uint64_t length = 0;
};

// By weight, then by place. A name is, in this order:
//   "all-linear"                    every linear layer but the head (PEFT's word);
//   the end of a module's path      "qkv", "attn.proj", "w1" of experts;
//   the same in the checkpoints' names
//                                   "query" of a joint projection that is stored in three parts;
//   the usual name of a role        "q_proj", "value": where layers are named otherwise.
// Without names: what PEFT adapts by default, queries and values, and what the model adds to them
// (Graph::adapter_roles). Throws Error for a name that fits nothing.
[[nodiscard]] std::vector<LoraTarget> lora_targets(const Graph& graph,
                                                   const std::vector<std::string>& names);

// The last names of the layers that are adapted where none are named, sorted; empty: the model has
// none of these.
[[nodiscard]] std::vector<std::string> default_lora_names(const Graph& graph);

}  // namespace vitals
