// Twins (arXiv:2104.13840): timm's twins module, PCPVT and SVT.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct TwinsConfig {
  Size2 img_size{224, 224};
  std::uint64_t patch_size = 4;
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::vector<std::uint64_t> embed_dims = {64, 128, 256, 512};
  std::vector<std::uint64_t> num_heads = {1, 2, 4, 8};
  std::vector<double> mlp_ratios = {4, 4, 4, 4};
  std::vector<std::uint64_t> depths = {3, 4, 6, 3};
  std::vector<std::uint64_t> sr_ratios = {8, 4, 2, 1};
  std::vector<std::uint64_t> wss;
  double drop_rate = 0.0;
  double pos_drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.0;
};

[[nodiscard]] Architecture twins_architecture();

}  // namespace vitals
