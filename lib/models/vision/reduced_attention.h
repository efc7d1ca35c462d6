// Attention whose keys and values stand on a coarser grid than the queries: spatial reduction
// (PVT, arXiv:2102.12122; Twins, arXiv:2104.13840) and PVT v2's linear one (arXiv:2106.13797).
#pragma once

#include "models/layers/layers.h"

namespace vitals {

// [B, N, C] -> [B, C, h, w] and back.
[[nodiscard]] Tensor as_map(Builder& b, Tensor x, const Size2& grid);
[[nodiscard]] Tensor as_patches(Builder& b, Tensor x);

struct ReducedAttention {
  std::uint64_t heads = 1;
  std::uint64_t sr_ratio = 1;  // how many times coarser; 1: as fine
  bool pooled = false;         // to a grid of 7 x 7, whatever sr_ratio says
  bool qkv_bias = true;
  NormOptions norm;
  double attn_drop = 0.0;
  double proj_drop = 0.0;
};
// [B, N, C] of a grid -> [B, N, C], the module "attn".
[[nodiscard]] Tensor reduced_attention(Builder& b, Tensor x, const Size2& grid,
                                       const ReducedAttention& options);

}  // namespace vitals
