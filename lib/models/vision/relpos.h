// ViTs with relative position bias instead of a position embedding: timm's
// vision_transformer_relpos module.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct RelPosConfig {
  Size2 img_size{224, 224};
  Size2 patch_size{16, 16};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::uint64_t embed_dim = 768;
  std::uint64_t depth = 12;
  std::uint64_t num_heads = 12;
  double mlp_ratio = 4.0;
  bool qkv_bias = true;
  bool qk_norm = false;
  std::optional<double> init_values = 1e-6;
  bool class_token = false;
  bool fc_norm = false;
  std::string rel_pos_type = "mlp";
  std::optional<std::uint64_t> rel_pos_dim;
  bool shared_rel_pos = false;
  double drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.0;
  std::string embed_layer = "PatchEmbed";
  LayerSpec norm_layer;
  std::string act_layer;
  std::string block_fn = "RelPosBlock";
};

[[nodiscard]] Architecture relpos_architecture();

}  // namespace vitals
