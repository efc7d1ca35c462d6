#include "models/text/vision_language.h"

#include "models/layers/activation_names.h"
#include "models/text/decoder_config.h"
#include "models/text/decoder_images.h"
#include "models/text/hidden_fields.h"
#include "models/towers/prefixed_fields.h"

namespace vitals {
namespace {

void validate_both(const VisionLanguageConfig& c) {
  validate(static_cast<const DecoderConfig&>(c));
  under_prefix("vision_", [&] { validate(c.vision); });
  if (c.vision.deepstack_layers.size() > c.num_hidden_layers)
    fail("/vision_deepstack_layers: {} are more than the {} layers of the language model",
         c.vision.deepstack_layers.size(), c.num_hidden_layers);
}

// While tokens follow, the image has been read: its keys and values stand in the cache.
Tensors forward_both(Builder& b, const VisionLanguageConfig& c) {
  const bool reads = b.options().past_len == 0;
  auto outputs = decoder_forward(
      b, c, reads ? [&] { return image_tokens(b, c.vision, c.hidden_size); } : ReadImage());
  b.graph().modules[0].type =
      c.head == "none" ? "VisionLanguageModel" : "VisionLanguageModelWithHead";
  return outputs;
}

std::vector<std::string> remarks_on_image(const VisionLanguageConfig& c) {
  const auto tokens = image_token_count(c.vision);
  return {
      fmt::format("an image of {} x {} pixels takes {} tokens of the sequence (--img-size changes "
                  "the image, --seq-len the sequence)",
                  c.vision.img_size.height, c.vision.img_size.width, tokens)};
}

std::vector<Field> vision_fields() {
  using C = VisionLanguageConfig;
  using V = VisionTowerConfig;
  constexpr auto kVision = &C::vision;
  return all_fields(
      std::vector<Field>{
          field<kVision, &V::img_size>("img_size", "Image height and width in pixels.")
              .between(1, kMaxSide),
          field<kVision, &V::patch_size>("patch_size", "Side of a patch in pixels.")
              .between(1, kMaxSide),
          field<kVision, &V::temporal_patch_size>("temporal_patch_size",
                                                  "Frames in a patch; a still image is repeated.")
              .between(1, kMaxSide),
          field<kVision, &V::in_chans>("in_chans", "Image channels.").between(1, kMaxWidth)},
      hidden_fields<V, kVision>("Hidden features of the MLP, of each half of a gated one."),
      std::vector<Field>{
          field<kVision, &V::naming>("naming", "The family whose names the modules have.")
              .one_of(vision_tower_namings()),
          field<kVision, &V::path>("path", "Path of the image encoder."),
          field<kVision, &V::hidden_act>("hidden_act", "Activation of the MLP.")
              .one_of(activation_names()),
          field<kVision, &V::norm_layer>("norm_layer", "Norm of the layers.")
              .one_of({"LayerNorm", "RmsNorm"})
              .takes("eps"),
          field<kVision, &V::class_token>("class_token",
                                          "A learned class token, which the text does "
                                          "not read."),
          field<kVision, &V::keep_class_token>("keep_class_token",
                                               "The text reads the class token, too."),
          field<kVision, &V::class_norm>("class_norm",
                                         "The last norm is that of the class token alone."),
          field<kVision, &V::patch_bias>("patch_bias", "Bias of the patch embedding."),
          field<kVision, &V::attention_bias>("attention_bias",
                                             "Biases of the query, key and value projections."),
          field<kVision, &V::attention_out_bias>("attention_out_bias",
                                                 "Bias of attention's output projection."),
          field<kVision, &V::mlp_bias>("mlp_bias", "Biases of the MLP."),
          field<kVision, &V::mlp_gated>("mlp_gated", "A gated MLP of three matrices."),
          field<kVision, &V::layer_scale>("layer_scale",
                                          "LayerScale behind both halves of a layer."),
          field<kVision, &V::qk_norm>("qk_norm", "A norm of all queries, and one of all keys."),
          field<kVision, &V::embedding_norm>("embedding_norm", "A norm before the layers."),
          field<kVision, &V::final_norm>("final_norm", "A norm behind the layers."),
          field<kVision, &V::num_positions>("num_positions",
                                            "Rows of the table of positions; 0: there is none.")
              .at_most(1e9),
          field<kVision, &V::rotary>("rotary", "Queries and keys are rotated by row and column."),
          field<kVision, &V::window_size>(
              "window_size", "Side in pixels of the windows that attention sees; 0: all.")
              .at_most(kMaxSide),
          field<kVision, &V::full_attention_layers>("full_attention_layers",
                                                    "Layers that see all patches despite windows.")
              .at_most(kMaxDepth)
              .or_null(),
          field<kVision, &V::deepstack_layers>(
              "deepstack_layers",
              "Layers whose patches are projected, too, and added behind the first layers of the "
              "language model.")
              .at_most(kMaxDepth)
              .or_null(),
          field<kVision, &V::projector>("projector", "The family whose names the projector has.")
              .one_of(projector_namings()),
          field<kVision, &V::projector_path>("projector_path", "Path of the projector."),
          field<kVision, &V::merge_size>("merge_size",
                                         "Side in patches of the square that becomes one token.")
              .between(1, kMaxSide),
          field<kVision, &V::merge>("merge", "How it does: its features in a row, or their mean.")
              .one_of({"concat", "mean"}),
          field<kVision, &V::projector_norm>("projector_norm",
                                             "The projector's norm: none, of every patch, of the "
                                             "merged ones, or of what is projected.")
              .one_of({"none", "token", "merged", "projected"}),
          field<kVision, &V::projector_norm_layer>("projector_norm_layer", "Its kind.")
              .one_of({"LayerNorm", "RmsNorm"})
              .takes("eps"),
          field<kVision, &V::merging_layer>(
              "merging_layer", "A layer from the merged width to that of the patches."),
          field<kVision, &V::projector_hidden>(
              "projector_hidden", "Features between the projector's two layers; null: one layer.")
              .between(1, kMaxWidth),
          field<kVision, &V::projector_act>("projector_act", "Activation between them.")
              .one_of(activation_names()),
          field<kVision, &V::projector_bias>("projector_bias", "Biases of the projector."),
          field<kVision, &V::newline_token>(
              "newline_token", "A learned token that ends a row of patches (LLaVA-NeXT).")});
}

}  // namespace

Architecture vision_language_architecture() {
  auto a = architecture<VisionLanguageConfig, validate_both, forward_both, remarks_on_image>(
      "vision_language",
      "Language model with an image encoder: LLaVA, Qwen-VL, Gemma 3 and their kin.");
  // The accessors of the decoder's fields see its config, which stands first in ours.
  a.fields = all_fields(decoder_fields(), prefixed(vision_fields(), "vision_"));
  a.field_aliases = decoder_field_aliases();
  a.field_aliases.push_back({"img_size", "Image height and width in pixels.", {"vision_img_size"}});
  a.field_aliases.push_back({"in_chans", "Image channels.", {"vision_in_chans"}});
  return a;
}

}  // namespace vitals
