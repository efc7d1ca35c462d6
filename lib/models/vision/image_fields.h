// The fields that the configs of image encoders have in common, stated once: a config takes part
// with members of these names. Must not know any one architecture.
#pragma once

#include "models/field.h"

namespace vitals {

template <class C>
[[nodiscard]] std::vector<Field> image_fields() {
  std::vector<Field> fields;
  fields.push_back(
      field<&C::img_size>("img_size", "Image height and width in pixels.").between(1, kMaxSide));
  fields.push_back(field<&C::patch_size>("patch_size", "Patch height and width in pixels.")
                       .between(1, kMaxSide));
  fields.push_back(field<&C::in_chans>("in_chans", "Image channels.").between(1, kMaxWidth));
  fields.push_back(
      field<&C::num_classes>("num_classes", "Classes of the head; 0: no head.").at_most(1e9));
  return fields;
}

template <class C>
[[nodiscard]] std::vector<Field> global_pool_fields(
    std::initializer_list<std::string_view> choices = {"token", "avg", "avgmax", "max", "map",
                                                       ""}) {
  std::vector<Field> fields;
  fields.push_back(
      field<&C::global_pool>(
          "global_pool",
          "How tokens become one vector: the class token, the mean, the maximum or both over the "
          "patches, attention pooling (map), or '' for none.")
          .one_of(choices));
  return fields;
}

// A stack of equal blocks.
template <class C>
[[nodiscard]] std::vector<Field> stack_fields() {
  std::vector<Field> fields;
  fields.push_back(field<&C::embed_dim>("embed_dim", "Width of the tokens.").between(1, kMaxWidth));
  fields.push_back(field<&C::depth>("depth", "Number of blocks.").at_most(kMaxDepth));
  fields.push_back(field<&C::num_heads>("num_heads", "Attention heads.").between(1, kMaxWidth));
  fields.push_back(
      field<&C::mlp_ratio>("mlp_ratio", "Hidden features of the MLP as a multiple of embed_dim.")
          .above(0)
          .at_most(1e4));
  return fields;
}

template <class C>
[[nodiscard]] std::vector<Field> dynamic_image_fields() {
  std::vector<Field> fields;
  fields.push_back(field<&C::dynamic_img_size>(
      "dynamic_img_size", "Position embeddings are resized at run time (no effect on counts)."));
  fields.push_back(field<&C::dynamic_img_pad>(
      "dynamic_img_pad",
      "What happens to the border of an image that patches do not fill: cut off "
      "(false) or padded (true); null: such an image is an error."));
  return fields;
}

// Dropout and stochastic depth, as far as the config has them.
template <class C>
[[nodiscard]] std::vector<Field> drop_fields(
    std::string_view drop_path = "Stochastic depth of the last block; it grows linearly from 0.") {
  std::vector<Field> fields;
  fields.push_back(field<&C::drop_rate>("drop_rate", "Dropout before the head.").below(1));
  if constexpr (requires(C c) { c.pos_drop_rate; })
    fields.push_back(
        field<&C::pos_drop_rate>("pos_drop_rate", "Dropout after the position embedding.")
            .below(1));
  if constexpr (requires(C c) { c.patch_drop_rate; })
    fields.push_back(
        field<&C::patch_drop_rate>("patch_drop_rate", "Share of the patches dropped in training.")
            .below(1));
  if constexpr (requires(C c) { c.proj_drop_rate; })
    fields.push_back(
        field<&C::proj_drop_rate>("proj_drop_rate",
                                  "Dropout after the attention's projection and both MLP layers.")
            .below(1));
  if constexpr (requires(C c) { c.attn_drop_rate; })
    fields.push_back(
        field<&C::attn_drop_rate>("attn_drop_rate", "Dropout of the attention weights.").below(1));
  fields.push_back(field<&C::drop_path_rate>("drop_path_rate", drop_path).below(1));
  return fields;
}

}  // namespace vitals
