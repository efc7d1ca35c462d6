// DeepSeek-V4: a decoder whose layers look back through a window and, beyond it, at compressed
// keys, each of several tokens; an indexer chooses among those. The residual is several streams
// that are mixed around every half of a layer (hyper-connections, arXiv:2409.19606, with doubly
// stochastic weights). Facts: transformers, modeling_deepseek_v4.py.
#pragma once

#include "models/architecture.h"

#include <string>
#include <vector>

namespace vitals {

struct CompressedDecoderConfig {
  std::uint64_t vocab_size = 129280;
  std::uint64_t hidden_size = 4096;
  std::uint64_t num_hidden_layers = 43;
  std::uint64_t num_attention_heads = 64;
  std::uint64_t head_dim = 512;
  std::uint64_t rotary_dim = 64;
  std::uint64_t q_lora_rank = 1024;
  std::uint64_t o_groups = 8;
  std::uint64_t o_lora_rank = 1024;
  std::uint64_t sliding_window = 128;
  std::vector<std::uint64_t> compress_ratios;  // by layer; 0: none. Empty: none anywhere
  std::uint64_t overlapping_ratio = 4;         // windows of so many tokens overlap, and are indexed
  std::uint64_t index_n_heads = 64;
  std::uint64_t index_head_dim = 128;
  std::uint64_t index_topk = 512;
  std::uint64_t hc_mult = 4;
  std::uint64_t hc_sinkhorn_iters = 20;
  std::uint64_t num_experts = 256;
  std::uint64_t num_experts_per_tok = 6;
  std::uint64_t moe_intermediate_size = 2048;
  std::uint64_t shared_expert_intermediate_size = 2048;
  std::uint64_t num_hash_layers = 3;
  std::uint64_t max_position_embeddings = 1048576;
  bool tie_word_embeddings = false;
  LayerSpec norm_layer{"RmsNorm", 1e-6, {}, {}, {}};
  std::string head = "lm";
};

[[nodiscard]] Architecture compressed_decoder_architecture();

}  // namespace vitals
