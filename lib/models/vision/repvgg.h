// RepVGG as it is trained: timm's byobnet module (Ding et al. 2021, arXiv:2101.03697).
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>
#include <vector>

namespace vitals {

struct RepVggConfig {
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::vector<std::uint64_t> depths{4, 6, 16, 1};
  std::vector<std::uint64_t> widths{64, 128, 256, 1280};
  std::uint64_t stem_width = 64;
  std::uint64_t groups = 1;
  double se_ratio = 0.0;
  std::string act_layer = "relu";
  double drop_rate = 0.0;
};

[[nodiscard]] Architecture repvgg_architecture();

}  // namespace vitals
