// Fused multi-head attention: softmax(q k^T * scale + bias) v over strided views, never holding
// more of the scores than one tile of queries per thread. Must not know of graphs or of the
// projections around it.
#pragma once

#include "runtime/kernels/engine.h"

#include <cstdint>

namespace vitals {

// Element (b, token, head, channel) at b*batch + token*token_stride + head*head_stride + channel.
struct HeadsView {
  const void* data = nullptr;
  std::int64_t batch = 0;
  std::int64_t token = 0;
  std::int64_t head = 0;
};

struct AttentionJob {
  std::int64_t batch = 1;
  std::int64_t heads = 1;
  std::int64_t kv_heads = 0;  // 0: as many; else heads is a multiple of it (grouped queries)
  std::int64_t queries = 0;   // tokens of q and out
  std::int64_t keys = 0;      // tokens of k and v
  std::int64_t head_dim = 0;
  std::int64_t value_dim = 0;  // 0: head_dim
  float scale = 1;

  Element type = Element::kF32;  // of q, k and v
  HeadsView q;
  HeadsView k;
  HeadsView v;
  Element out_type = Element::kF32;
  HeadsView out;  // written, of value_dim channels; may not overlap q, k or v

  // Added to the scaled scores; (b, h, i, j) at (b % bias_period)*batch + h*head + i*row + j.
  // Strides may be 0 ([H,N,N]: batch 0; a mask [N,N]: batch and head 0). Null: none.
  const float* bias = nullptr;
  std::int64_t bias_period = 0;  // 0: no wrap
  std::int64_t bias_batch = 0;
  std::int64_t bias_head = 0;
  std::int64_t bias_row = 0;

  // [batch, keys] bytes, 0 means the key is not seen; null: all are.
  const std::uint8_t* key_mask = nullptr;
  bool causal = false;  // query i sees keys j <= i + keys - queries
};

// A query that sees no key gives NaN, as in PyTorch.
void attention(Engine& engine, const AttentionJob& job);

// The job over a packed qkv buffer [batch, tokens, 3, heads, head_dim] and out [batch, tokens,
// heads, head_dim], with scale 1/sqrt(head_dim).
AttentionJob packed_qkv_attention(const void* qkv, Element type, void* out, std::int64_t batch,
                                  std::int64_t tokens, std::int64_t heads, std::int64_t head_dim);

}  // namespace vitals
