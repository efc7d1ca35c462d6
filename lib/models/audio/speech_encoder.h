// Encoders of raw sound: wav2vec 2.0, HuBERT, WavLM (arXiv:2006.11477, 2106.07447, 2110.13900),
// with the module names of Hugging Face's classes.
#pragma once

#include "models/architecture.h"
#include "models/field.h"

#include <string>
#include <vector>

namespace vitals {

struct SpeechEncoderConfig {
  std::uint64_t samples = 160000;  // 10 s at 16 kHz
  std::vector<std::uint64_t> conv_dim{512, 512, 512, 512, 512, 512, 512};
  std::vector<std::uint64_t> conv_kernel{10, 3, 3, 3, 3, 2, 2};
  std::vector<std::uint64_t> conv_stride{5, 2, 2, 2, 2, 2, 2};
  bool conv_bias = false;
  bool conv_layer_norms = false;
  bool projection_norm = true;
  std::uint64_t hidden_size = 768;
  std::uint64_t num_hidden_layers = 12;
  std::uint64_t num_attention_heads = 12;
  std::uint64_t intermediate_size = 3072;
  std::string hidden_act = "gelu";
  bool pre_norm = false;
  double layer_norm_eps = 1e-5;
  std::uint64_t position_kernel = 128;
  std::uint64_t position_groups = 16;
  bool mask_embedding = true;
  std::uint64_t relative_buckets = 0;
  std::string encoder_name = "wav2vec2";
  std::string head = "none";
  std::uint64_t vocab_size = 32;
  std::uint64_t num_labels = 2;
  std::uint64_t classifier_proj_size = 256;
  bool weighted_layer_sum = false;
  std::uint64_t codevector_groups = 2;
  std::uint64_t codevectors_per_group = 320;
  std::uint64_t codevector_dim = 256;
  std::uint64_t proj_codevector_dim = 256;
  double hidden_dropout = 0.0;
  double attention_dropout = 0.0;
  double activation_dropout = 0.0;
};

[[nodiscard]] Architecture speech_encoder_architecture();

}  // namespace vitals
