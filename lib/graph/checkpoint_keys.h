// Under which names a checkpoint of another library stores the parameters of a trace. Data: a
// family that names its weights differently is a table of rules, never code. Must not know models.
#pragma once

#include <string>
#include <vector>

namespace vitals {

// A `*` stands for one part between dots; those of `stored` take what those of `trace` matched, in
// order. Several stored names are parts that lie one after another along the first dimension: a
// joint qkv projection that is stored as query, key and value.
// A `#` in a stored name stands for every index of the parameter's first dimension: experts that
// are one parameter here and a tensor each in the file.
struct KeyRule {
  std::string trace;                // "blocks.*.attn.qkv.*"
  std::vector<std::string> stored;  // {"encoder.layer.*.attention.attention.query.*", ...}
};

struct CheckpointKeys {
  // The first that matches and whose tensors are all there; else the first that matches. Without
  // one the name stays.
  std::vector<KeyRule> rules;
  std::vector<std::string> left_out;  // stored names that belong to other heads of the model
  // The file may store dimensions in another order, without those of size 1, and parts along any
  // dimension: a tensor must have the same dimensions in some order, and parts must sum up.
  bool any_layout = false;
};

}  // namespace vitals
