// The UNet of Stable Diffusion 1, 2 and XL (arXiv:2112.10752, 2307.01952): diffusers'
// UNet2DConditionModel.
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>
#include <vector>

namespace vitals {

struct UnetConfig {
  std::uint64_t sample_size = 64;
  std::uint64_t in_channels = 4;
  std::uint64_t out_channels = 4;
  std::vector<std::uint64_t> block_out_channels{320, 640, 1280, 1280};
  std::vector<std::string> down_block_types{"CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                            "CrossAttnDownBlock2D", "DownBlock2D"};
  std::vector<std::string> up_block_types{"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                                          "CrossAttnUpBlock2D"};
  std::uint64_t layers_per_block = 2;
  std::vector<std::uint64_t> transformer_layers_per_block{1};
  std::vector<std::uint64_t> attention_heads{8};
  std::uint64_t cross_attention_dim = 1280;
  std::uint64_t text_len = 77;
  std::uint64_t text_dim = 0;
  std::uint64_t added_dim = 0;
  std::uint64_t norm_num_groups = 32;
  bool use_linear_projection = false;
};

[[nodiscard]] Architecture unet_architecture();

}  // namespace vitals
