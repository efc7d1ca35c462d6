// The autoencoder between images and latents (arXiv:2112.10752): diffusers' AutoencoderKL.
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <vector>

namespace vitals {

struct AutoencoderConfig {
  std::uint64_t sample_size = 512;
  std::uint64_t in_channels = 3;
  std::uint64_t out_channels = 3;
  std::uint64_t latent_channels = 4;
  std::vector<std::uint64_t> block_out_channels{128, 256, 512, 512};
  std::uint64_t layers_per_block = 2;
  std::uint64_t norm_num_groups = 32;
  bool mid_block_add_attention = true;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
};

[[nodiscard]] Architecture autoencoder_architecture();

}  // namespace vitals
