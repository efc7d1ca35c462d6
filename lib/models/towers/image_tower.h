// Image encoders under Hugging Face's names that are no timm model: the image halves of CLIP and
// SigLIP, DINOv2 with its registers, and masked autoencoders. One config; names of modules come
// from a table. Knows no model_type and no JSON.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct ImageTowerConfig {
  Size2 img_size{224, 224};
  Size2 patch_size{16, 16};
  std::uint64_t in_chans = 3;
  std::uint64_t hidden_size = 768;
  std::uint64_t num_hidden_layers = 12;
  std::uint64_t num_attention_heads = 12;
  std::uint64_t intermediate_size = 3072;
  std::string naming = "clip";
  std::string hidden_act = "gelu";
  LayerSpec norm_layer{"LayerNorm", 1e-6, {}, {}, {}};
  bool class_token = true;
  bool embedding_norm = false;
  std::uint64_t reg_tokens = 0;
  bool mask_token = false;
  bool patch_bias = true;
  bool qkv_bias = true;
  bool key_bias = true;
  bool attention_out_bias = true;
  bool mlp_bias = true;
  bool rotary = false;
  bool layer_scale = false;
  bool swiglu = false;
  bool trained_positions = true;
  double mask_ratio = 0.0;
  std::string pooling = "none";
  std::string classifier_input = "mean";
  std::string head = "none";
  std::uint64_t projection_dim = 512;
  std::uint64_t num_classes = 2;
  // the decoder of a masked autoencoder
  std::uint64_t decoder_hidden_size = 512;
  std::uint64_t decoder_num_hidden_layers = 8;
  std::uint64_t decoder_num_attention_heads = 16;
  std::uint64_t decoder_intermediate_size = 2048;
  double hidden_dropout_prob = 0.0;
  double attention_probs_dropout_prob = 0.0;
  std::optional<double> mlp_drop_rate;  // null: hidden_dropout_prob
  double drop_path_rate = 0.0;
  std::string drop_path_schedule = "linear";
};

[[nodiscard]] Architecture image_tower_architecture();

// Throws Error "/field: ...".
void validate(const ImageTowerConfig& c);

// The tower inside another model: [B, N, hidden_size] and the pooled [B, hidden_size].
struct ImageFeatures {
  Tensor tokens;
  Tensor pooled;
};
[[nodiscard]] ImageFeatures image_tower(Builder& b, Tensor image, const ImageTowerConfig& c);
[[nodiscard]] Tensor image_tower_input(Builder& b, const ImageTowerConfig& c);

}  // namespace vitals
