// What each parameter is for, read from the ops and modules that use it: quantisers treat an output
// head, a value projection and a norm each in their own way. Knows module types, no families.
#pragma once

#include "graph/graph.h"

#include <vector>

namespace vitals {

enum class WeightRole : std::uint8_t {
  other,  // norms, biases, positions, routers
  token_embedding,
  output,  // the head, when it is not tied to the token table
  attention_q,
  attention_k,
  attention_v,
  attention_qkv,
  attention_kv_b,  // latent keys and values, written out
  attention_output,
  ffn_gate,
  ffn_up,
  ffn_down,
  linear,  // another matrix
};

struct WeightUse {
  WeightRole role = WeightRole::other;
  std::uint64_t layer = 0;    // of the numbered list that it stands in
  std::uint64_t columns = 0;  // elements of a row of the matrix: its input features; 0: no matrix
  bool tied = false;          // a token table that is the head as well
};

// By ParamId.
[[nodiscard]] std::vector<WeightUse> weight_uses(const Graph& graph);

}  // namespace vitals
