// Text encoders of BERT's kind (Devlin et al. 2018, arXiv:1810.04805): RoBERTa, DistilBERT, ALBERT,
// ELECTRA. One config; names of modules come from a table (encoder_names.h), so that a path is the
// checkpoint's key. Knows no model_type and no JSON.
#pragma once

#include "models/architecture.h"
#include "models/layers/layers.h"

namespace vitals {

struct EncoderConfig {
  std::uint64_t vocab_size = 30522;
  std::uint64_t hidden_size = 768;
  std::uint64_t num_hidden_layers = 12;
  std::uint64_t num_attention_heads = 12;
  std::uint64_t intermediate_size = 3072;
  std::uint64_t max_position_embeddings = 512;
  std::uint64_t reserved_positions = 0;
  std::uint64_t type_vocab_size = 2;
  std::optional<std::uint64_t> embedding_size;  // of the tables; null: hidden_size
  std::uint64_t num_hidden_groups = 0;
  std::uint64_t inner_group_num = 1;
  std::string naming = "bert";
  std::string hidden_act = "gelu";
  LayerSpec norm_layer{"LayerNorm", 1e-12, {}, {}, {}};
  bool token_type_buffer = true;
  std::string head = "pooler";
  bool tie_word_embeddings = true;
  std::uint64_t num_labels = 2;
  std::string norm_position = "post";
  bool norm_bias = true;
  bool embedding_norm = true;
  bool final_norm = false;
  bool first_norm = true;
  std::string position_embedding = "learned";
  bool position_table = true;
  std::uint64_t relative_buckets = 0;
  // disentangled attention
  std::uint64_t relative_positions = 0;
  bool relative_norm = false;
  bool content_to_position = false;
  bool position_to_content = false;
  bool own_position_projections = false;
  std::uint64_t conv_kernel = 0;
  std::uint64_t conv_groups = 1;
  bool attention_bias = true;
  bool attention_out_bias = true;
  bool mlp_bias = true;
  std::string mlp = "plain";
  bool head_dense_bias = true;
  bool contact_head = false;
  double hidden_dropout_prob = 0.0;
  double attention_probs_dropout_prob = 0.0;
  std::optional<double> classifier_dropout;  // null: hidden_dropout_prob
};

// Of every norm in the model.
[[nodiscard]] inline NormOptions norm_of(const EncoderConfig& c) {
  return {.eps = c.norm_layer.eps.value_or(1e-12), .bias = c.norm_bias};
}

[[nodiscard]] Architecture encoder_architecture();

}  // namespace vitals
