// The blocks of EfficientNet and its kin, and the words that describe them. Knows no model.
#pragma once

#include "models/vision/conv_parts.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

enum class MobileBlockKind : std::uint8_t {
  separable,  // ds: depthwise, pointwise
  inverted,   // ir: pointwise, depthwise, pointwise
  edge,       // er: one convolution, pointwise
  plain,      // cn: one convolution
  universal,  // uir: an inverted one with up to three depthwise convolutions (MobileNetV4)
};

// Several kernels: the channels are split among convolutions of these sides (MixNet).
using Kernels = std::vector<std::uint64_t>;

struct MobileBlock {
  MobileBlockKind kind = MobileBlockKind::inverted;
  std::uint64_t repeats = 1;
  Kernels kernel{3};  // of the main convolution; 0 in a universal block: none
  Kernels start{0};   // of the one before it (universal), or of the expansion
  Kernels end{0};     // of the last one
  std::uint64_t stride = 1;
  double expand = 1.0;
  std::uint64_t out = 0;
  double se = 0.0;                 // hidden share; 0: no squeeze and excitation
  std::string act;                 // empty: the model's
  std::uint64_t group = 1;         // channels of a group in depthwise convolutions; 0: no groups
  std::uint64_t in_of_expand = 0;  // what `expand` multiplies, where it is not the input's width
  bool skip = true;
  bool last_act = false;  // an activation behind the pointwise convolution (dsa)
};

// "ir_r2_k3_s2_e6_c24_se0.25+ir_r1_...": the blocks of a stage in timm's words. Throws Error that
// names the word.
[[nodiscard]] std::vector<MobileBlock> parse_mobile_stage(std::string_view text);

// What the blocks of a model have in common.
struct MobileStyle {
  std::string act;
  bool same = false;
  std::string aa_layer;
  bool se_from_expanded = false;
  std::uint64_t se_divisor = 1;
  std::string se_layer;
  bool layer_scale = false;
  double norm_eps = 1e-5;
};

Tensor mobile_block(Builder& b, Tensor x, const MobileBlock& block, const MobileStyle& style,
                    double drop_path_rate);

[[nodiscard]] std::string_view mobile_block_type(MobileBlockKind kind);

}  // namespace vitals
