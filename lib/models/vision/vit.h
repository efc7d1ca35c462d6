// The Vision Transformer (Dosovitskiy et al. 2021, arXiv:2010.11929) with everything that the
// original code and timm's vision_transformer and deit modules can express.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct VitConfig {
  Size2 img_size{224, 224};
  Size2 patch_size{16, 16};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "token";
  std::uint64_t embed_dim = 768;
  std::uint64_t depth = 12;
  std::uint64_t num_heads = 12;
  double mlp_ratio = 4.0;
  bool qkv_bias = true;
  std::optional<double> qk_scale;
  bool qk_norm = false;
  bool scale_attn_norm = false;
  bool scale_mlp_norm = false;
  bool proj_bias = true;
  std::optional<double> init_values;
  bool class_token = true;
  bool distilled = false;
  std::string pos_embed = "learn";
  bool no_embed_class = false;
  std::uint64_t reg_tokens = 0;
  bool pre_norm = false;
  bool final_norm = true;
  std::optional<bool> fc_norm;
  bool pool_include_prefix = false;
  bool dynamic_img_size = false;
  std::optional<bool> dynamic_img_pad;
  std::optional<std::uint64_t> representation_size;
  double drop_rate = 0.0;
  double pos_drop_rate = 0.0;
  double patch_drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  std::optional<double> mlp_drop_rate;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.0;
  std::string embed_layer = "PatchEmbed";
  LayerSpec embed_norm_layer;
  LayerSpec norm_layer;
  std::string act_layer;
  std::string block_fn = "Block";
  LayerSpec mlp_layer{"Mlp", {}, {}, {}, {}};
  std::string attn_layer = "Attention";
};

[[nodiscard]] Architecture vit_architecture();
// timm's deit module: the same with a distillation token and a second head by default.
[[nodiscard]] Architecture deit_architecture();

}  // namespace vitals
