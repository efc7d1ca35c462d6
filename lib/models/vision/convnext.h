// ConvNeXt (arXiv:2201.03545) and ConvNeXt V2 (arXiv:2301.00808), as timm's convnext module builds
// them: stages of depthwise convolutions and MLPs over the channels, no attention.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct ConvNeXtConfig {
  Size2 img_size{224, 224};  // no argument of timm's: any size that the stages can halve
  std::uint64_t patch_size = 4;
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::uint64_t output_stride = 32;
  std::vector<std::uint64_t> depths{3, 3, 9, 3};
  std::vector<std::uint64_t> dims{96, 192, 384, 768};
  std::vector<std::uint64_t> kernel_sizes{7};
  std::optional<double> ls_init_value = 1e-6;
  std::string stem_type = "patch";
  double head_init_scale = 1.0;
  bool head_norm_first = false;
  std::optional<std::uint64_t> head_hidden_size;
  bool conv_mlp = false;
  bool conv_bias = true;
  bool use_grn = false;
  std::string act_layer = "gelu";
  std::string norm_layer;  // empty: null, timm's LayerNorm
  std::optional<double> norm_eps;
  double drop_rate = 0.0;
  double drop_path_rate = 0.0;
};

[[nodiscard]] Architecture convnext_architecture();

}  // namespace vitals
