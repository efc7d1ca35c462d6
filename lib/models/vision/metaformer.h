// PoolFormer, ConvFormer and CAFormer: timm's metaformer module (Yu et al. 2022, arXiv:2111.11418,
// 2210.13452).
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>
#include <vector>

namespace vitals {

struct MetaFormerConfig {
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::vector<std::uint64_t> depths{2, 2, 6, 2};
  std::vector<std::uint64_t> dims{64, 128, 320, 512};
  std::vector<std::string> token_mixers{"pooling"};
  std::string act_layer = "star_relu";
  bool mlp_bias = false;
  bool layer_scale = false;
  std::uint64_t res_scale_stages = 2;
  bool downsample_norm = true;
  std::string norm_layer = "layernorm";
  bool use_mlp_head = true;
  double drop_rate = 0.0;
  double drop_path_rate = 0.0;
};

[[nodiscard]] Architecture metaformer_architecture();

}  // namespace vitals
