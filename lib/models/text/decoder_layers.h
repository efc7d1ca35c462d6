// The two halves of a decoder's layer: causal self-attention (with grouped keys and values, or
// latent ones) and the feed-forward (plain, gated, or a mixture of experts). Each is a function
// [B, s, h] -> [B, s, h] under its family's names.
#pragma once

#include "models/layers/layers.h"
#include "models/text/decoder.h"
#include "models/text/decoder_names.h"

namespace vitals {

// Keys and values [B, kv_heads, s, d] that later layers attend with, by the kind of layer.
struct SharedKeys {
  struct Pair {
    Tensor key, value;
  };
  std::optional<Pair> of_full = {};
  std::optional<Pair> of_sliding = {};
};

// What all layers of one forward pass share.
struct DecoderContext {
  const DecoderConfig& config;
  const DecoderNames& names;
  std::optional<Tensor> rope = {};         // tables [s, 2 * rotary dims]
  std::optional<Tensor> global_rope = {};  // of layers with heads of another size
  SharedKeys* shared = nullptr;
  std::optional<Tensor> draft_of = {};      // what a draft model continues, [B, s, h]
  std::optional<Tensor> tokens = {};        // and the embeddings beside it
  std::optional<Tensor> alibi = {};         // [1, heads, 1, keys]
  std::optional<Tensor> mask = {};          // [s, keys]
  std::optional<Tensor> sliding_mask = {};  // [s, keys within the window]
};

Tensor decoder_attention(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer);
Tensor decoder_feed_forward(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t layer);
// The experts of a layer whose dense feed-forward stands beside them: they and their router read
// the residual stream [B, s, h], each with a norm of its own.
Tensor experts_beside(Builder& b, Tensor x, const DecoderContext& ctx);

[[nodiscard]] NormOptions decoder_norm(const DecoderConfig& c);

// Keys and values that a cache of `past` tokens still holds for the next ones.
[[nodiscard]] std::uint64_t cached_tokens(std::uint64_t past, std::uint64_t window);

}  // namespace vitals
