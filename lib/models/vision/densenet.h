// DenseNet: timm's densenet module (Huang et al. 2017, arXiv:1608.06993).
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>
#include <vector>

namespace vitals {

struct DenseNetConfig {
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::uint64_t growth_rate = 32;
  std::vector<std::uint64_t> block_config{6, 12, 24, 16};
  std::uint64_t bn_size = 4;
  std::string stem_type;
  std::string aa_layer;
  std::string act_layer = "relu";
  double drop_rate = 0.0;
};

[[nodiscard]] Architecture densenet_architecture();

}  // namespace vitals
