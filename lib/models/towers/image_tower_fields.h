// The fields of an image tower's config, for the architecture of its own and for models that hold a
// tower: Outer is the path to it in their config.
#pragma once

#include "models/layers/activation_names.h"
#include "models/layers/layers.h"
#include "models/text/hidden_fields.h"
#include "models/towers/image_tower.h"
#include "models/towers/image_tower_names.h"

namespace vitals {

template <auto... Outer>
[[nodiscard]] std::vector<Field> image_tower_fields() {
  using C = ImageTowerConfig;
  return all_fields(
      std::vector<Field>{
          field<Outer..., &C::img_size>("img_size", "Image height and width in pixels.")
              .between(1, kMaxSide),
          field<Outer..., &C::patch_size>("patch_size", "Patch height and width in pixels.")
              .between(1, kMaxSide),
          field<Outer..., &C::in_chans>("in_chans", "Image channels.").between(1, kMaxWidth)},
      hidden_fields<C, Outer...>("Hidden features of the MLP, of each half of a gated one."),
      std::vector<Field>{
          field<Outer..., &C::naming>("naming", "The family whose names the modules have.")
              .one_of(image_tower_namings()),
          field<Outer..., &C::hidden_act>("hidden_act", "Activation of the MLP.")
              .one_of(activation_names()),
          field<Outer..., &C::norm_layer>("norm_layer", "Norm of the layers.")
              .one_of({"LayerNorm"})
              .takes("eps"),
          field<Outer..., &C::class_token>("class_token", "A learned class token."),
          field<Outer..., &C::embedding_norm>("embedding_norm", "A norm before the layers."),
          field<Outer..., &C::reg_tokens>("reg_tokens", "Register tokens (arXiv:2309.16588).")
              .at_most(kMaxSide),
          field<Outer..., &C::mask_token>(
              "mask_token",
              "A learned token for masked patches, which only pretraining "
              "uses."),
          field<Outer..., &C::patch_bias>("patch_bias", "Bias of the patch embedding."),
          field<Outer..., &C::qkv_bias>("qkv_bias",
                                        "Biases of the query, key and value projections."),
          field<Outer..., &C::key_bias>("key_bias", "That of the keys, where the others have one."),
          field<Outer..., &C::attention_out_bias>("attention_out_bias",
                                                  "Bias of attention's output projection."),
          field<Outer..., &C::mlp_bias>("mlp_bias", "Biases of the MLP."),
          field<Outer..., &C::rotary>("rotary",
                                      "Queries and keys of patches are rotated by row and column, "
                                      "in place of a table of positions."),
          field<Outer..., &C::layer_scale>("layer_scale",
                                           "LayerScale behind both halves of a layer."),
          field<Outer..., &C::swiglu>(
              "swiglu", "A gated MLP; whether its matrices up are one, the naming says."),
          field<Outer..., &C::trained_positions>("trained_positions",
                                                 "The table of positions is trained, not fixed."),
          field<Outer..., &C::mask_ratio>("mask_ratio", "Share of the patches that are hidden.")
              .below(1),
          field<Outer..., &C::pooling>(
              "pooling",
              "How tokens become one vector: the class token, the class token "
              "normed alone, attention pooling (map), or not.")
              .one_of({"none", "class", "class_norm", "map"}),
          field<Outer..., &C::classifier_input>(
              "classifier_input",
              "What a classifier reads: the mean of the patches, or "
              "the class token beside it.")
              .one_of({"mean", "class_and_mean"}),
          field<Outer..., &C::head>("head", "What stands behind the tower.")
              .one_of({"none", "projection", "concepts", "classification", "pretraining"}),
          field<Outer..., &C::projection_dim>("projection_dim", "Width of the projection.")
              .between(1, kMaxWidth),
          field<Outer..., &C::num_classes>("num_classes", "Classes of a classifier; 0: none.")
              .at_most(1e9),
          field<Outer..., &C::decoder_hidden_size>("decoder_hidden_size",
                                                   "Width of a masked autoencoder's decoder.")
              .between(1, kMaxWidth),
          field<Outer..., &C::decoder_num_hidden_layers>("decoder_num_hidden_layers", "Its layers.")
              .at_most(kMaxDepth),
          field<Outer..., &C::decoder_num_attention_heads>("decoder_num_attention_heads",
                                                           "Its heads.")
              .between(1, kMaxWidth),
          field<Outer..., &C::decoder_intermediate_size>("decoder_intermediate_size",
                                                         "Hidden features of its MLP.")
              .between(1, kMaxWidth),
          field<Outer..., &C::hidden_dropout_prob>("hidden_dropout_prob",
                                                   "Dropout of embeddings and layers.")
              .below(1),
          field<Outer..., &C::attention_probs_dropout_prob>("attention_probs_dropout_prob",
                                                            "Dropout of the attention weights.")
              .below(1),
          field<Outer..., &C::mlp_drop_rate>("mlp_drop_rate",
                                             "Dropout behind the MLP; null: hidden_dropout_prob.")
              .below(1),
          field<Outer..., &C::drop_path_rate>("drop_path_rate",
                                              "Stochastic depth of the last layer.")
              .below(1),
          field<Outer..., &C::drop_path_schedule>(
              "drop_path_schedule",
              "The rate of stochastic depth grows from 0, or is the same in all layers.")
              .one_of({"linear", "constant"})});
}

}  // namespace vitals
