// ResNet and its kin: timm's resnet module (arXiv:1512.03385, 1611.05431, 1812.01187, 2103.07579).
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <optional>
#include <string>
#include <vector>

namespace vitals {

struct ResNetConfig {
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::string block = "bottleneck";
  std::vector<std::uint64_t> layers{3, 4, 6, 3};
  std::vector<std::uint64_t> channels{64, 128, 256, 512};
  std::uint64_t cardinality = 1;
  std::uint64_t base_width = 64;
  std::uint64_t scale = 1;
  std::uint64_t stem_width = 64;
  std::string stem_type;
  bool replace_stem_pool = false;
  std::uint64_t block_reduce_first = 1;
  std::uint64_t down_kernel_size = 1;
  bool avg_down = false;
  std::string act_layer = "relu";
  std::string norm_layer = "batchnorm2d";
  std::string aa_layer;
  std::string attn_layer;
  double rd_ratio = 1.0 / 16;
  double drop_rate = 0.0;
  double drop_path_rate = 0.0;
};

[[nodiscard]] Architecture resnet_architecture();

}  // namespace vitals
