// RegNet: timm's regnet module (Radosavovic et al. 2020, arXiv:2003.13678).
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>

namespace vitals {

struct RegNetConfig {
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  std::uint64_t num_classes = 1000;
  std::string global_pool = "avg";
  std::uint64_t depth = 21;
  std::uint64_t w0 = 80;
  double wa = 42.63;
  double wm = 2.66;
  std::uint64_t group_size = 24;
  double bottle_ratio = 1.0;
  double se_ratio = 0.0;
  double group_min_ratio = 0.0;
  std::uint64_t stem_width = 32;
  std::string downsample = "conv1x1";
  bool linear_out = false;
  bool preact = false;
  std::uint64_t num_features = 0;
  std::string act_layer = "relu";
  double drop_rate = 0.0;
};

[[nodiscard]] Architecture regnet_architecture();

}  // namespace vitals
