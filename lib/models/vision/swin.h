// The Swin Transformer (arXiv:2103.14030) and its searched kin S3 (arXiv:2111.14725), as timm's
// swin_transformer module builds them: attention within windows that shift from block to block,
// over a pyramid of stages.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct SwinConfig {
  Size2 img_size{224, 224};
  Size2 patch_size{4, 4};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::uint64_t embed_dim = 96;
  std::vector<std::uint64_t> depths{2, 2, 6, 2};
  std::vector<std::uint64_t> num_heads{3, 6, 12, 24};
  std::vector<std::uint64_t> head_dim;  // empty: null
  std::vector<std::uint64_t> window_size{7};
  bool always_partition = false;
  bool strict_img_size = true;
  bool full_bias_tables = false;
  std::uint64_t version = 1;
  std::vector<double> mlp_ratio{4.0};
  bool qkv_bias = true;
  double drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.1;
  std::string embed_layer = "PatchEmbed";
  LayerSpec norm_layer{"LayerNorm", {}, {}, {}, {}};
};

[[nodiscard]] Architecture swin_architecture();

}  // namespace vitals
