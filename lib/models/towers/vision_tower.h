// Image encoders of models that read images and text, and the projector that turns patches into
// tokens of the text: CLIP, SigLIP, InternViT, Pixtral, and the rotary towers of Qwen2-VL to
// Qwen3-VL, whose neighbouring patches are merged. One config; names of modules come from tables.
// Knows no model_type, no language model and no JSON.
#pragma once

#include "graph/builder.h"
#include "models/field.h"

#include <optional>
#include <string>
#include <vector>

namespace vitals {

struct VisionTowerConfig {
  Size2 img_size{448, 448};
  std::uint64_t patch_size = 14;
  std::uint64_t temporal_patch_size = 1;  // frames in a patch; a still image is repeated
  std::uint64_t in_chans = 3;
  std::uint64_t hidden_size = 1152;
  std::uint64_t num_hidden_layers = 27;
  std::uint64_t num_attention_heads = 16;
  std::uint64_t intermediate_size = 4304;
  std::string naming = "siglip";
  std::string path = "vision_tower";
  std::string hidden_act = "gelu_pytorch_tanh";
  LayerSpec norm_layer{"LayerNorm", 1e-6, {}, {}, {}};
  bool class_token = false;
  bool class_norm = false;
  bool keep_class_token = false;
  bool patch_bias = true;
  bool attention_bias = true;
  bool attention_out_bias = true;
  bool mlp_bias = true;
  bool mlp_gated = false;
  bool layer_scale = false;
  bool qk_norm = false;
  bool embedding_norm = false;
  bool final_norm = true;
  std::uint64_t num_positions = 0;  // rows of the table; 0: none
  bool rotary = false;
  std::uint64_t window_size = 0;  // pixels; 0: all patches see each other
  std::vector<std::uint64_t> full_attention_layers;
  std::vector<std::uint64_t> deepstack_layers;
  // the projector
  std::string projector = "llava";
  std::string projector_path = "multi_modal_projector";
  std::uint64_t merge_size = 1;
  std::string merge = "concat";
  std::string projector_norm = "none";
  LayerSpec projector_norm_layer{"LayerNorm", 1e-5, {}, {}, {}};
  bool merging_layer = false;
  std::optional<std::uint64_t> projector_hidden;  // null: a single layer
  std::string projector_act = "gelu";
  bool projector_bias = true;
  bool newline_token = false;
};

// Throws Error "/field: ...".
void validate(const VisionTowerConfig& c);

// Tokens [B, n, text_width] for the text, and what is added to them behind the first layers of the
// language model (DeepStack, arXiv:2406.04334), in their order.
struct ImageTokens {
  Tensor tokens;
  Tensors deep;
};

// Runs on an input of its own, [B, C, H, W], or [B, C, T, H, W] where patches have frames.
[[nodiscard]] ImageTokens image_tokens(Builder& b, const VisionTowerConfig& c,
                                       std::uint64_t text_width);

// How many tokens of the text an image takes.
[[nodiscard]] std::uint64_t image_token_count(const VisionTowerConfig& c);

[[nodiscard]] const std::vector<std::string_view>& vision_tower_namings();
[[nodiscard]] const std::vector<std::string_view>& projector_namings();

}  // namespace vitals
