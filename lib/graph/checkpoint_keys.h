// Under which names a checkpoint of another library stores the parameters of a trace. Data: a
// family that names its weights differently is a table of rules, never code. Must not know models.
#pragma once

#include <string>
#include <vector>

namespace vitals {

// A `*` stands for one part between dots; those of `stored` take what those of `trace` matched, in
// order. Several stored names are parts that lie one after another along the first dimension: a
// joint qkv projection that is stored as query, key and value.
struct KeyRule {
  std::string trace;                // "blocks.*.attn.qkv.*"
  std::vector<std::string> stored;  // {"encoder.layer.*.attention.attention.query.*", ...}
};

struct CheckpointKeys {
  std::vector<KeyRule> rules;         // the first that matches; without one the name stays
  std::vector<std::string> left_out;  // stored names that belong to other heads of the model
};

}  // namespace vitals
