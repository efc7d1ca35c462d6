// The blocks of a ViT: pre-norm, post-norm and the parallel kinds, with standard or differential
// attention. A block is a function [B, N, C] -> [B, N, C] that runs inside its own module call.
#pragma once

#include "models/layers/layers.h"

#include <array>

namespace vitals {

struct VitBlock {
  std::string kind = "Block";
  std::string attn_layer = "Attention";
  std::uint64_t index = 0;  // of the block in its stack
  std::uint64_t num_heads = 1;
  double scale = 1.0;
  bool qkv_bias = true;
  bool proj_bias = true;
  bool qk_norm = false;
  bool scale_attn_norm = false;
  bool scale_mlp_norm = false;
  bool layer_scale = false;
  LayerSpec norm;
  MlpOptions mlp;
  double proj_drop = 0.0;
  double attn_drop = 0.0;
  double drop_path = 0.0;
};

inline constexpr std::array<std::string_view, 5> kVitBlockKinds = {
    "Block", "ResPostBlock", "ParallelScalingBlock", "ParallelThingsBlock",
    "DiffParallelScalingBlock"};

Tensor vit_block(Builder& b, Tensor x, const VitBlock& block);

}  // namespace vitals
