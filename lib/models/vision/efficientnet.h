// Networks of inverted residuals: timm's efficientnet and mobilenetv3 modules (MobileNet V1 to V4,
// MnasNet, EfficientNet, MixNet, FBNet, TinyNet, LCNet; arXiv:1801.04381, 1905.11946).
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>
#include <vector>

namespace vitals {

struct EfficientNetConfig {
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::vector<std::string> blocks{"ds_r1_k3_s1_c16_se0.25",     "ir_r2_k3_s2_e6_c24_se0.25",
                                  "ir_r2_k5_s2_e6_c40_se0.25",  "ir_r3_k3_s2_e6_c80_se0.25",
                                  "ir_r3_k5_s1_e6_c112_se0.25", "ir_r4_k5_s2_e6_c192_se0.25",
                                  "ir_r1_k3_s1_e6_c320_se0.25"};
  std::uint64_t stem_size = 32;
  std::uint64_t stem_kernel_size = 3;
  std::uint64_t num_features = 1280;
  bool pool_first = false;
  bool head_bias = true;
  bool head_norm = false;
  std::string pad_type;
  std::string aa_layer;
  bool se_from_exp = false;
  std::uint64_t se_divisor = 1;
  std::string se_layer = "se";
  bool layer_scale = false;
  double norm_eps = 1e-5;
  std::string act_layer = "silu";
  double drop_rate = 0.0;
  double drop_path_rate = 0.0;
};

[[nodiscard]] Architecture efficientnet_architecture();

}  // namespace vitals
