// EVA, EVA-02 (arXiv:2303.11331), DINOv3, the Perception Encoder and RoPE-ViT: timm's eva module, a
// ViT with rotary position embedding, SwiGLU and extra norms where a model asks for them.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct EvaConfig {
  Size2 img_size{224, 224};
  Size2 patch_size{16, 16};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::uint64_t embed_dim = 768;
  std::uint64_t depth = 12;
  std::uint64_t num_heads = 12;
  bool qkv_bias = true;
  bool qkv_fused = true;
  double mlp_ratio = 4.0;
  bool swiglu_mlp = false;
  std::uint64_t swiglu_align_to = 0;
  bool scale_mlp = false;
  bool scale_attn_inner = false;
  std::string attn_type = "eva";
  double drop_rate = 0.0;
  double pos_drop_rate = 0.0;
  double patch_drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.0;
  LayerSpec norm_layer{"LayerNorm", {}, {}, {}, {}};
  std::optional<double> init_values;
  bool class_token = true;
  std::uint64_t num_reg_tokens = 0;
  bool no_embed_class = false;
  bool use_abs_pos_emb = true;
  bool use_rot_pos_emb = false;
  std::string rope_type = "cat";
  double rope_grid_offset = 0.0;
  std::string rope_grid_indexing = "ij";
  double rope_temperature = 10000.0;
  bool rope_rotate_half = false;
  bool use_post_norm = false;
  bool use_pre_transformer_norm = false;
  std::optional<bool> use_post_transformer_norm;
  std::optional<bool> use_fc_norm;
  std::optional<std::uint64_t> attn_pool_num_heads;
  std::optional<double> attn_pool_mlp_ratio;
  bool dynamic_img_size = false;
  std::optional<bool> dynamic_img_pad;
  Size2 ref_feat_shape;  // 0 x 0: null
  double head_init_scale = 0.001;
};

[[nodiscard]] Architecture eva_architecture();

}  // namespace vitals
