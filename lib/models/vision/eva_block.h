// A block of the eva module: attention with rotary position embedding in its two forms, and the MLP
// or SwiGLU that goes with it. A function [B, N, C] -> [B, N, C] inside its own module call.
#pragma once

#include "models/layers/layers.h"

namespace vitals {

struct EvaBlock {
  std::uint64_t num_heads = 1;
  bool qkv_bias = true;
  bool qkv_fused = true;
  bool k_bias = false;  // AttentionRope has one, EvaAttention never
  bool rotate_half = false;
  bool scale_attn_inner = false;
  bool layer_scale = false;
  bool post_norm = false;
  std::uint64_t prefix_tokens = 1;  // not rotated
  LayerSpec norm;
  MlpOptions mlp;
  double proj_drop = 0.0;
  double attn_drop = 0.0;
  double drop_path = 0.0;
};

// `rope`: sines and cosines [..., N - prefix_tokens, 2 * head_dim], broadcast over samples and
// heads; nothing without rotary position embedding.
Tensor eva_block(Builder& b, Tensor x, const EvaBlock& block, std::optional<Tensor> rope);

}  // namespace vitals
