// The fields of a text tower's config, for the architecture of its own and for models that hold a
// tower: Outer is the path to it in their config.
#pragma once

#include "models/layers/activation_names.h"
#include "models/layers/layers.h"
#include "models/text/hidden_fields.h"
#include "models/towers/text_tower.h"

namespace vitals {

template <auto... Outer>
[[nodiscard]] std::vector<Field> text_tower_fields() {
  using C = TextTowerConfig;
  return all_fields(
      std::vector<Field>{field<Outer..., &C::vocab_size>("vocab_size", "Tokens of the vocabulary.")
                             .between(1, 1e9)},
      hidden_fields<C, Outer...>(),
      std::vector<Field>{
          field<Outer..., &C::max_position_embeddings>("max_position_embeddings",
                                                       "Rows of the position table.")
              .between(1, 1e9),
          field<Outer..., &C::hidden_act>("hidden_act", "Activation of the MLP.")
              .one_of(activation_names()),
          field<Outer..., &C::norm_layer>("norm_layer", "Norm of the layers.")
              .one_of({"LayerNorm"})
              .takes("eps"),
          field<Outer..., &C::causal>("causal", "A token sees only those before it."),
          field<Outer..., &C::pooled_projection>(
              "pooled_projection", "The tower projects its pooled token itself (SigLIP)."),
          field<Outer..., &C::projection_dim>("projection_dim", "Width of the projection.")
              .between(1, kMaxWidth),
          field<Outer..., &C::head>("head", "What stands behind the tower.")
              .one_of({"none", "projection"}),
          field<Outer..., &C::attention_dropout>("attention_dropout",
                                                 "Dropout of the attention weights.")
              .below(1)});
}

}  // namespace vitals
