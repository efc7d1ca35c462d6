// A decoder whose text holds images: what it asks the model around it for. Knows no image encoder.
#pragma once

#include "models/text/decoder.h"
#include "models/towers/vision_tower.h"

#include <functional>

namespace vitals {

// Empty: the text holds no image.
using ReadImage = std::function<ImageTokens()>;

// The decoder's forward pass. Tokens of an image take the place of as many tokens of the text, the
// first ones; which ones changes no count.
Tensors decoder_forward(Builder& b, const DecoderConfig& c, const ReadImage& read_image);

}  // namespace vitals
