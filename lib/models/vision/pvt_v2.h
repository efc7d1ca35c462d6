// Pyramid Vision Transformer v2 (arXiv:2106.13797): timm's pvt_v2 module, and SegFormer
// (arXiv:2105.15203), whose encoder has the same layers and whose head joins all stages.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct PvtV2Config {
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::vector<std::uint64_t> depths = {3, 4, 6, 3};
  std::vector<std::uint64_t> embed_dims = {64, 128, 256, 512};
  std::vector<std::uint64_t> num_heads = {1, 2, 4, 8};
  std::vector<std::uint64_t> sr_ratios = {8, 4, 2, 1};
  std::vector<double> mlp_ratios = {8, 8, 4, 4};
  std::vector<std::uint64_t> patch_sizes = {7, 3, 3, 3};
  std::vector<std::uint64_t> strides = {4, 2, 2, 2};
  bool qkv_bias = true;
  bool linear = false;
  std::string head = "classification";
  std::uint64_t decoder_hidden_size = 256;
  double norm_eps = 1e-6;
  double drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double attn_drop_rate = 0.0;
  double drop_path_rate = 0.0;
};

[[nodiscard]] Architecture pvt_v2_architecture();

}  // namespace vitals
