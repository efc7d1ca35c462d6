// What stands in the place of self-attention in the layers of hybrid decoders: state-space models
// (Mamba, Gu and Dao 2023, arXiv:2312.00752; Mamba-2, Dao and Gu 2024, arXiv:2405.21060), the gated
// delta rule (Yang et al. 2024, arXiv:2412.06464), gated short convolutions (LFM2) and lightning
// attention (Qin et al. 2024, arXiv:2401.04658). Each is a function [B, s, h] -> [B, s, h] that
// keeps a state of constant size instead of keys and values.
#pragma once

#include "models/text/decoder_layers.h"

namespace vitals {

// The layer's mixer, which is none of attention's.
Tensor decoder_recurrence(Builder& b, Tensor x, const DecoderContext& ctx, Mixer kind);

}  // namespace vitals
