// VGG: timm's vgg module (Simonyan and Zisserman 2014, arXiv:1409.1556).
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>
#include <vector>

namespace vitals {

struct VggConfig {
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::vector<std::uint64_t> depths{2, 2, 3, 3, 3};
  std::vector<std::uint64_t> widths{64, 128, 256, 512, 512};
  bool batch_norm = false;
  double mlp_ratio = 1.0;
  std::string act_layer = "relu";
  double drop_rate = 0.0;
};

[[nodiscard]] Architecture vgg_architecture();

}  // namespace vitals
