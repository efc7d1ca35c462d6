// Layers in which the class token alone attends, to all patches (CaiT, arXiv:2103.17239).
#pragma once

#include "models/layers/layers.h"

namespace vitals {

// [B, N, C] with the class token first -> [B, 1, C].
Tensor class_attention(Builder& b, std::string_view name, Tensor x, std::uint64_t heads,
                       bool qkv_bias, double proj_drop, double attn_drop);

}  // namespace vitals
