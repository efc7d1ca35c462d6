// CaiT: timm's cait module (Touvron et al. 2021, arXiv:2103.17239).
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>

namespace vitals {

struct CaitConfig {
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
  double init_values = 1e-4;
  std::uint64_t depth_token_only = 2;
  double mlp_ratio_token_only = 4.0;
  double drop_rate = 0.0;
  double pos_drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.0;
};

[[nodiscard]] Architecture cait_architecture();

}  // namespace vitals
