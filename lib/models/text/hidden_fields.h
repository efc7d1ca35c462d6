// The fields that a stack of equal layers has under Hugging Face's names, stated once: a config
// takes part with members of these names. Outer is the path to it in the config of a model that
// holds it. Must not know any one architecture.
#pragma once

#include "models/field.h"

namespace vitals {

template <class C, auto... Outer>
[[nodiscard]] std::vector<Field> hidden_fields(
    std::string_view intermediate_size = "Hidden features of the MLP.") {
  return {
      field<Outer..., &C::hidden_size>("hidden_size", "Width of the tokens.").between(1, kMaxWidth),
      field<Outer..., &C::num_hidden_layers>("num_hidden_layers", "Number of layers.")
          .at_most(kMaxDepth),
      field<Outer..., &C::num_attention_heads>("num_attention_heads", "Attention heads.")
          .between(1, kMaxWidth),
      field<Outer..., &C::intermediate_size>("intermediate_size", intermediate_size)
          .between(1, kMaxWidth),
  };
}

}  // namespace vitals
