// Biases of attention scores by the relative position of two patches, as Swin, BEiT and timm's
// relpos models learn them: a table that is looked up, or a small MLP over log-spaced coordinates
// (Swin V2, arXiv:2111.09883). Every function writes into the current module.
#pragma once

#include "models/layers/layers.h"

#include <optional>

namespace vitals {

// Rows of the table: the offsets within a window, and with a class token three more (from it, to
// it, and itself).
[[nodiscard]] std::uint64_t relative_positions(const Size2& window, bool class_token);

// A learned table [positions, heads] read out as [1, heads, N, N], N = the window's area and the
// class token.
// `table`: the window whose offsets the table holds, where it is larger than `window`.
[[nodiscard]] Tensor relative_bias_table(Builder& b, const Size2& window, std::uint64_t heads,
                                         bool class_token,
                                         std::optional<Size2> table = std::nullopt);

// timm's RelPosMlp, or Swin V2's cpb_mlp: fc1 (2 -> hidden), ReLU, fc2 (-> heads) over all offsets
// of the window.
struct RelPosMlp {
  std::uint64_t hidden = 128;
  bool swin = false;  // the sigmoid of Swin V2, and no bias in fc2
  std::string_view name = "mlp";
  std::string_view first = "fc1";
  std::string_view second = "fc2";
};
// [1, heads, N, N]; rows and columns of prefix tokens are zeros.
[[nodiscard]] Tensor relative_bias_mlp(Builder& b, const Size2& window, std::uint64_t heads,
                                       std::uint64_t prefix_tokens, const RelPosMlp& options);

}  // namespace vitals
