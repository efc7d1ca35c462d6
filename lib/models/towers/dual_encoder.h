// Dual encoders: a text and an image tower whose vectors are compared, CLIP (arXiv:2103.00020) and
// SigLIP (arXiv:2303.15343). Knows no model_type and no JSON.
#pragma once

#include "models/towers/image_tower.h"
#include "models/towers/text_tower.h"

namespace vitals {

struct DualEncoderConfig {
  TextTowerConfig text;
  ImageTowerConfig image;
  bool projections = true;
  std::uint64_t projection_dim = 512;
  bool logit_bias = false;
  std::string head = "none";
  std::string path;
};

[[nodiscard]] Architecture dual_encoder_architecture();

}  // namespace vitals
