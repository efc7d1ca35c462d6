// Under which names a checkpoint of another library stores the parameters of a trace. Data: a
// family that names its weights differently is a table of rules, never code. Must not know models.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
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

// The stored names of the parameter that the trace calls `key`, in the order of its parts: those of
// one rule, or of the first that matches. Empty where none does. `count` is the size of the
// parameter's first dimension, for rules with a `#`.
[[nodiscard]] std::vector<std::string> stored_names(const KeyRule& rule, std::string_view key,
                                                    std::uint64_t count = 1);
[[nodiscard]] std::vector<std::string> stored_names(const CheckpointKeys& keys,
                                                    std::string_view key);

// Whether a key matches a pattern, each star standing for one part.
[[nodiscard]] bool key_matches(std::string_view pattern, std::string_view key);

}  // namespace vitals
