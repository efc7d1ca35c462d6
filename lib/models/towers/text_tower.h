// The text halves of CLIP (Radford et al. 2021, arXiv:2103.00020) and SigLIP (arXiv:2303.15343),
// under Hugging Face's names. Knows no model_type and no JSON.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct TextTowerConfig {
  std::uint64_t vocab_size = 49408;
  std::uint64_t hidden_size = 512;
  std::uint64_t num_hidden_layers = 12;
  std::uint64_t num_attention_heads = 8;
  std::uint64_t intermediate_size = 2048;
  std::uint64_t max_position_embeddings = 77;
  std::string hidden_act = "quick_gelu";
  LayerSpec norm_layer{"LayerNorm", 1e-5, {}, {}, {}};
  bool causal = true;
  bool pooled_projection = false;
  std::uint64_t projection_dim = 512;
  std::string head = "none";
  double attention_dropout = 0.0;
};

[[nodiscard]] Architecture text_tower_architecture();

// Throws Error "/field: ...".
void validate(const TextTowerConfig& c);

// The tower inside another model: ids [B, s] -> the pooled [B, width], which is hidden_size, or
// projection_dim with a projection inside.
[[nodiscard]] Tensor text_tower(Builder& b, Tensor ids, const TextTowerConfig& c);
// Token ids, as many as --seq-len asks for, or as the model was made for.
[[nodiscard]] Tensor text_tower_input(Builder& b, const TextTowerConfig& c);

}  // namespace vitals
