// Depthwise convolution over images whose channels lie last: a vector holds channels of one pixel,
// and a few neighbouring outputs share each weight that is loaded.
// Compiled once per instruction set; must not know of threads.
#pragma once

#include "runtime/kernels/simd/math.h"

namespace vitals::kernels::VITALS_ISA {

constexpr int kDepthwiseOutputs = Vec::kRegisters == 32 ? 8 : 4;

// The outputs of a row that are computed together: `count` of them from `first` on, for `lanes`
// channels from `channel` on.
struct DepthwiseBlock {
  std::int64_t row;
  std::int64_t first;
  std::int64_t count;
  std::int64_t channel;
  std::int64_t lanes;
};

// kWhole: all outputs are there, all their taps lie within the line, and the vector is full.
template <bool kWhole, class T>
VITALS_INLINE void depthwise_block(const DepthwiseJob& job, const DepthwiseBlock& block) {
  const std::int64_t lanes = kWhole ? Vec::kLanes : block.lanes;
  const std::int64_t line_elements = job.width * job.channels;
  const T* image = static_cast<const T*>(job.x) +
                   block.row / job.out_height * job.height * line_elements + block.channel;
  const float* weight = job.weight + block.channel;
  Reg acc[kDepthwiseOutputs];
  const Reg bias = job.bias == nullptr ? Vec::zero() : load(job.bias + block.channel, lanes);
#pragma GCC unroll 8
  for (Reg& a : acc) a = bias;
  const std::int64_t top = block.row % job.out_height * job.stride_h - job.padding_h;
  const std::int64_t left = block.first * job.stride_w - job.padding_w;
  for (std::int64_t i = 0; i < job.kernel_h; ++i) {
    if (top + i < 0 || top + i >= job.height) continue;
    for (std::int64_t j = 0; j < job.kernel_w; ++j) {
      const Reg w = load(weight + (i * job.kernel_w + j) * job.channels, lanes);
#pragma GCC unroll 8
      for (int o = 0; o < kDepthwiseOutputs; ++o) {
        const std::int64_t at = left + j + o * job.stride_w;
        if (!kWhole && (o >= block.count || at < 0 || at >= job.width)) continue;
        const T* x = image + (top + i) * line_elements + at * job.channels;
        acc[o] = Vec::fma(load(x, lanes), w, acc[o]);
      }
    }
  }
  const std::int64_t y = (block.row * job.out_width + block.first) * job.channels + block.channel;
#pragma GCC unroll 8
  for (int o = 0; o < kDepthwiseOutputs; ++o) {
    if (kWhole || o < block.count) store_as(job.y, job.y_type, y + o * job.channels, acc[o], lanes);
  }
}

template <class T>
void depthwise_rows(const DepthwiseJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    each_vector(job.channels, [&](std::int64_t channel, std::int64_t lanes) {
      for (std::int64_t first = 0; first < job.out_width; first += kDepthwiseOutputs) {
        const std::int64_t rest = job.out_width - first;
        const std::int64_t last_tap =
            (first + kDepthwiseOutputs - 1) * job.stride_w - job.padding_w + job.kernel_w - 1;
        const bool whole = rest >= kDepthwiseOutputs && lanes == Vec::kLanes &&
                           first * job.stride_w >= job.padding_w && last_tap < job.width;
        const DepthwiseBlock block{row, first, rest, channel, lanes};
        if (whole) {
          depthwise_block<true, T>(job, block);
        } else {
          depthwise_block<false, T>(job, block);
        }
      }
    });
  }
}

inline void depthwise(const DepthwiseJob& job, std::int64_t begin, std::int64_t end) {
  if (job.x_type == Element::kF32) {
    depthwise_rows<float>(job, begin, end);
  } else {
    depthwise_rows<Bf16>(job, begin, end);
  }
}

}  // namespace vitals::kernels::VITALS_ISA
