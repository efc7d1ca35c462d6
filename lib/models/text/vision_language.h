// A language model that reads images, too: an image encoder and a projector make tokens that stand
// among those of the text (LLaVA, arXiv:2304.08485, and its kin). The fields are those of the
// decoder, and those of the image encoder with "vision_" before their names.
#pragma once

#include "models/text/decoder.h"
#include "models/towers/vision_tower.h"

namespace vitals {

struct VisionLanguageConfig : DecoderConfig {
  VisionTowerConfig vision;
};

[[nodiscard]] Architecture vision_language_architecture();

}  // namespace vitals
