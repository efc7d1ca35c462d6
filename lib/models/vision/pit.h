// Pooling-based Vision Transformer (arXiv:2103.16302): timm's pit module.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct PitConfig {
  Size2 img_size{224, 224};
  std::uint64_t patch_size = 16;
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::uint64_t stride = 8;
  std::vector<std::uint64_t> base_dims = {48, 48, 48};
  std::vector<std::uint64_t> depth = {2, 6, 4};
  std::vector<std::uint64_t> heads = {2, 4, 8};
  double mlp_ratio = 4.0;
  bool distilled = false;
  double drop_rate = 0.0;
  double pos_drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.0;
};

[[nodiscard]] Architecture pit_architecture();

}  // namespace vitals
