// Encoder-decoder models: the original Transformer (Vaswani et al. 2017, arXiv:1706.03762), T5,
// BART and Whisper with their kin. One config; names of modules come from a table
// (encoder_decoder_names.h), so that a path is the checkpoint's key. Knows no model_type and no
// JSON.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct EncoderDecoderConfig {
  // sizes
  std::uint64_t vocab_size = 37000;
  std::optional<std::uint64_t> decoder_vocab_size;  // null: the encoder's tables are shared
  std::uint64_t d_model = 512;
  std::uint64_t encoder_layers = 6;
  std::uint64_t decoder_layers = 6;
  std::uint64_t encoder_attention_heads = 8;
  std::uint64_t decoder_attention_heads = 8;
  std::optional<std::uint64_t> head_dim;  // null: d_model / heads
  std::uint64_t encoder_ffn_dim = 2048;
  std::uint64_t decoder_ffn_dim = 2048;
  std::string naming = "transformer";

  // layers
  LayerSpec norm_layer{"LayerNorm", 1e-6, {}, {}, {}};
  std::string norm_position = "post";
  bool final_norm = false;
  bool final_dropout = false;
  bool embedding_norm = false;
  bool attention_bias = true;
  bool key_bias = true;
  std::optional<double> attention_scale;  // null: head_dim^-0.5
  bool mlp_bias = true;
  std::string hidden_act = "relu";
  bool mlp_gated = false;

  // positions
  std::string encoder_positions = "sinusoidal";
  std::string decoder_positions = "sinusoidal";
  std::uint64_t max_source_positions = 1024;
  std::uint64_t max_target_positions = 1024;
  std::uint64_t position_offset = 0;
  std::uint64_t relative_attention_num_buckets = 32;
  bool relative_in_every_layer = false;

  // what is read and written
  std::uint64_t num_mel_bins = 0;
  std::optional<std::uint64_t> source_len;  // tokens that the encoder reads
  bool scale_embedding = true;
  bool scale_output = false;
  std::string head = "lm";
  bool tie_word_embeddings = true;
  bool final_logits_bias = false;
  std::uint64_t num_labels = 2;

  double dropout = 0.0;
  double attention_dropout = 0.0;
  double activation_dropout = 0.0;
  double classifier_dropout = 0.0;
};

[[nodiscard]] Architecture encoder_decoder_architecture();

}  // namespace vitals
