// BEiT and BEiT v2 (arXiv:2106.08254): timm's beit module, a ViT whose attention learns a bias by
// relative position and whose keys have no bias.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct BeitConfig {
  Size2 img_size{224, 224};
  Size2 patch_size{16, 16};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::uint64_t embed_dim = 768;
  std::uint64_t depth = 12;
  std::uint64_t num_heads = 12;
  bool qkv_bias = true;
  double mlp_ratio = 4.0;
  bool swiglu_mlp = false;
  bool scale_mlp = false;
  double drop_rate = 0.0;
  double pos_drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.0;
  LayerSpec norm_layer{"LayerNorm", {}, {}, {}, {}};
  std::optional<double> init_values;
  bool use_abs_pos_emb = true;
  bool use_rel_pos_bias = false;
  bool use_shared_rel_pos_bias = false;
  bool mask_token = false;
  bool masked_modeling = false;
  double head_init_scale = 0.001;
};

[[nodiscard]] Architecture beit_architecture();

}  // namespace vitals
