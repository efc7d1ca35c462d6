// Moving elements without arithmetic: strided copies (permute, concatenate, slice), patches of an
// image as rows (im2col), rows picked by index. Must not know of graphs or models.
#pragma once

#include "runtime/kernels/engine.h"

#include <array>
#include <cstdint>

namespace vitals {

inline constexpr int kMaxCopyDims = 6;

// out[i0.. i5] = in[i0.. i5] over `sizes`, with a stride in elements for each dimension (0 repeats
// the input). Unused leading sizes are 1. The types may differ.
struct CopyJob {
  std::array<std::int64_t, kMaxCopyDims> sizes = {1, 1, 1, 1, 1, 1};
  std::array<std::int64_t, kMaxCopyDims> in_strides = {};
  std::array<std::int64_t, kMaxCopyDims> out_strides = {};
  const void* in = nullptr;
  void* out = nullptr;
  Element in_type = Element::kF32;
  Element out_type = Element::kF32;
};
void copy_strided(Engine& engine, const CopyJob& job);

// Rows of a convolution whose kernel equals its stride: image [batch, channels, height, width] fp32
// to [batch * (height/patch_h) * (width/patch_w), channels * patch_h * patch_w], the order of a
// Conv2d weight flattened. A rest that fills no patch is left out, as Conv2d leaves it.
struct PatchJob {
  const float* image = nullptr;
  std::int64_t batch = 1;
  std::int64_t channels = 3;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t patch_h = 0;
  std::int64_t patch_w = 0;
  void* out = nullptr;
  Element out_type = Element::kF32;
};
void image_to_patches(Engine& engine, const PatchJob& job);

// out row i = table row indices[i]; an index outside [0, table_rows) is the caller's bug.
struct GatherJob {
  ConstRows table;
  std::int64_t columns = 0;
  const std::int64_t* indices = nullptr;
  Rows out;
};
void gather_rows(Engine& engine, const GatherJob& job, std::int64_t rows);

}  // namespace vitals
