// Hunyuan-DiT (arXiv:2405.08748): a denoiser whose tokens of latents look at those of two texts,
// with connections from the first half of its blocks to the second. diffusers' HunyuanDiT2DModel.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct HunyuanDitConfig {
  std::uint64_t sample_size = 128;
  std::uint64_t patch_size = 2;
  std::uint64_t in_channels = 4;
  bool learn_sigma = true;
  std::uint64_t num_layers = 28;
  std::uint64_t num_attention_heads = 16;
  std::uint64_t attention_head_dim = 88;
  std::uint64_t intermediate_size = 5632;
  std::uint64_t cross_attention_dim = 1024;
  std::uint64_t cross_attention_dim_t5 = 2048;
  std::uint64_t pooled_projection_dim = 1024;
  std::uint64_t text_len = 77;
  std::uint64_t text_len_t5 = 256;
  bool style_and_size = true;
};

[[nodiscard]] Architecture hunyuan_dit_architecture();

}  // namespace vitals
