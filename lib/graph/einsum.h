// torch.einsum written out as the ops that PyTorch runs. Knows no layers.
#pragma once

#include "graph/builder.h"

#include <string_view>

namespace vitals {

// "bhqd,bhkd->bhqk" over operands of at least one: pairs are multiplied from left to right, as
// PyTorch 1.13 does without opt_einsum (aten/src/ATen/native/Linear.cpp): a batched matrix product
// where dimensions are summed, an elementwise product where none is. Without "->" the labels that
// appear once stand in the result, in alphabetical order; "..." stands for dimensions that
// broadcast. Throws Error for an equation that does not fit the operands, and for a label that
// repeats within one of them (a diagonal).
[[nodiscard]] Tensor einsum(std::string_view equation, const Tensors& operands);

}  // namespace vitals
