// Denoisers in which latents and text attend to each other: Stable Diffusion 3 (arXiv:2403.03206)
// and FLUX.1, with the module names of diffusers' classes.
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>
#include <vector>

namespace vitals {

struct JointTransformerConfig {
  std::uint64_t sample_size = 128;
  std::uint64_t patch_size = 2;
  std::uint64_t in_channels = 16;
  std::uint64_t out_channels = 16;
  bool convolve_patches = true;
  std::uint64_t num_layers = 24;
  std::uint64_t num_single_layers = 0;
  std::uint64_t attention_head_dim = 64;
  std::uint64_t num_attention_heads = 24;
  std::uint64_t text_len = 333;
  std::uint64_t joint_attention_dim = 4096;
  std::uint64_t caption_projection_dim = 1536;
  std::uint64_t pooled_projection_dim = 2048;
  bool guidance_embeds = false;
  bool last_text_only_read = true;
  bool qk_norm = false;
  std::vector<std::uint64_t> dual_attention_layers;
};

[[nodiscard]] Architecture joint_transformer_architecture();

}  // namespace vitals
