// The fields of a text tower's config, for the architecture of its own and for models that hold a
// tower: Outer is the path to it in their config.
#pragma once

#include "models/layers.h"
#include "models/text_tower.h"

namespace vitals {

template <auto... Outer>
[[nodiscard]] std::vector<Field> text_tower_fields() {
  using C = TextTowerConfig;
  return {
      field<Outer..., &C::vocab_size>("vocab_size", "Tokens of the vocabulary.")
          .at_least(1)
          .at_most(1e9),
      field<Outer..., &C::hidden_size>("hidden_size", "Width of the tokens.")
          .at_least(1)
          .at_most(kMaxWidth),
      field<Outer..., &C::num_hidden_layers>("num_hidden_layers", "Number of layers.")
          .at_most(kMaxDepth),
      field<Outer..., &C::num_attention_heads>("num_attention_heads", "Attention heads.")
          .at_least(1)
          .at_most(kMaxWidth),
      field<Outer..., &C::intermediate_size>("intermediate_size", "Hidden features of the MLP.")
          .at_least(1)
          .at_most(kMaxWidth),
      field<Outer..., &C::max_position_embeddings>("max_position_embeddings",
                                                   "Rows of the position table.")
          .at_least(1)
          .at_most(1e9),
      field<Outer..., &C::hidden_act>("hidden_act", "Activation of the MLP.")
          .one_of(activation_names()),
      field<Outer..., &C::norm_layer>("norm_layer", "Norm of the layers.").one_of({"LayerNorm"}),
      field<Outer..., &C::causal>("causal", "A token sees only those before it."),
      field<Outer..., &C::pooled_projection>(
          "pooled_projection", "The tower projects its pooled token itself (SigLIP)."),
      field<Outer..., &C::projection_dim>("projection_dim", "Width of the projection.")
          .at_least(1)
          .at_most(kMaxWidth),
      field<Outer..., &C::head>("head", "What stands behind the tower.")
          .one_of({"none", "projection"}),
      field<Outer..., &C::attention_dropout>("attention_dropout",
                                             "Dropout of the attention weights.")
          .below(1),
  };
}

}  // namespace vitals
