// A block of the Swin Transformer: attention within (shifted) windows and an MLP, [B, H, W, C] ->
// [B, H, W, C] inside its own module call.
#pragma once

#include "models/layers/layers.h"

namespace vitals {

struct SwinBlock {
  std::uint64_t num_heads = 1;
  std::uint64_t head_dim = 32;
  Size2 window;
  Size2 table_window = {};  // that the table of biases is made for; 0: window
  Size2 shift;
  // The grid that the mask of shifted windows was laid for; nothing: laid for the grid as it comes.
  std::optional<Size2> mask_grid;
  bool qkv_bias = true;
  LayerSpec norm;
  MlpOptions mlp;
  double proj_drop = 0.0;
  double attn_drop = 0.0;
  double drop_path = 0.0;
  // Swin V2 (arXiv:2111.09883): norms behind attention and MLP, attention by the cosine of queries
  // and keys with a learned factor, biases from a small network over the offsets.
  bool second_version = false;
};

// Throws Error "/img_size: ..." when the windows of the grid and those of the mask differ.
Tensor swin_block(Builder& b, Tensor x, const SwinBlock& block);

}  // namespace vitals
