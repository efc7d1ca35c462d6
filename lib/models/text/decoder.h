// Decoder-only language models, from GPT-2 to mixtures of experts with latent attention: one
// config, whose fields state how a family builds its layers. Names of modules come from a table
// (decoder_names.h), so that a path is the checkpoint's key. Knows no model_type and no JSON.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct DecoderConfig {
  // sizes
  std::uint64_t vocab_size = 50257;
  std::uint64_t hidden_size = 768;
  std::uint64_t num_hidden_layers = 12;
  std::uint64_t num_attention_heads = 12;
  std::optional<std::uint64_t> num_key_value_heads;  // null: num_attention_heads
  std::optional<std::uint64_t> head_dim;             // null: hidden_size / num_attention_heads
  std::optional<std::uint64_t> intermediate_size;    // null: 4 * hidden_size
  std::uint64_t max_position_embeddings = 2048;
  std::optional<std::uint64_t> embedding_size;  // of the token table; null: hidden_size
  std::string naming = "llama";
  std::vector<std::string> names;  // "part=name": what the modules are called where it differs

  // layers
  LayerSpec norm_layer{"LayerNorm", 1e-5, {}, {}, {}};
  bool norm_bias = true;
  bool norm_affine = true;
  std::string norm_position = "pre";
  bool parallel_residual = false;
  std::uint64_t parallel_norms = 1;
  bool embedding_norm = false;
  bool final_norm = true;

  // attention
  bool attention_bias = true;
  bool attention_out_bias = true;
  std::string qk_norm = "none";
  bool qk_norm_bias = false;
  std::string position_embedding = "rope";
  std::uint64_t position_offset = 0;
  std::optional<std::uint64_t> rotary_dim;  // null: head_dim
  std::vector<std::uint64_t> no_rope_layers;
  std::vector<std::string> layer_types;
  std::optional<std::uint64_t> sliding_window;
  std::optional<double> attention_scale;  // null: head_dim^-0.5
  std::optional<double> attn_logit_softcapping;
  bool attention_sinks = false;
  std::string causal_mask = "add";
  bool repeats_kv = false;
  bool keeps_presents = false;

  // latent attention (MLA)
  std::optional<std::uint64_t> kv_lora_rank;  // null: none
  std::optional<std::uint64_t> q_lora_rank;
  std::uint64_t qk_nope_head_dim = 128;
  std::uint64_t qk_rope_head_dim = 64;
  std::uint64_t v_head_dim = 128;

  // feed-forward
  std::string hidden_act = "gelu_tanh";
  bool mlp_gated = false;
  bool mlp_bias = true;

  // mixture of experts
  std::uint64_t num_experts = 0;
  std::uint64_t num_experts_per_tok = 1;
  std::uint64_t moe_intermediate_size = 0;
  std::uint64_t shared_expert_intermediate_size = 0;
  bool shared_expert_gate = false;
  bool router_bias = false;
  bool expert_bias = false;
  std::string expert_format;  // of the published experts; empty: as the other weights
  std::string router_activation = "softmax";
  bool router_correction_bias = false;
  bool router_correction_buffer = false;
  std::vector<std::uint64_t> dense_layers;

  // head
  std::string head = "lm";
  bool tie_word_embeddings = true;
  bool lm_head_bias = false;
  std::uint64_t num_labels = 2;
  std::optional<double> final_logit_softcapping;

  // factors that cost no parameters
  std::optional<double> embedding_multiplier;  // null: none is applied, as opposed to 1
  std::optional<double> residual_multiplier;
  std::optional<double> logits_multiplier;

  double embd_pdrop = 0.0;
  double resid_pdrop = 0.0;
  std::optional<double> attn_resid_pdrop;  // null: resid_pdrop
  bool joint_dropout = false;
  double attn_pdrop = 0.0;
  double classifier_dropout = 0.0;

  // hybrids: what a layer has instead of attention or beside the feed-forward
  std::vector<std::string> feed_forward_types;    // dense, experts or none; empty: dense_layers
  bool drafts = false;                            // EAGLE-3
  std::optional<std::uint64_t> draft_vocab_size;  // null: vocab_size
  std::uint64_t mamba_width = 0;                  // features inside a Mamba mixer
  std::uint64_t mamba_state = 16;
  std::uint64_t mamba_conv = 4;
  std::uint64_t mamba_dt_rank = 0;  // Mamba
  std::uint64_t mamba_heads = 1;    // Mamba-2
  std::uint64_t mamba_groups = 1;
  bool mamba_conv_bias = true;
  bool mamba_proj_bias = false;
  bool mamba_norm = true;
  bool parallel_mamba = false;
  std::uint64_t linear_num_key_heads = 16;
  std::uint64_t linear_num_value_heads = 32;
  std::uint64_t linear_key_head_dim = 128;
  std::uint64_t linear_value_head_dim = 128;
  std::uint64_t linear_conv_kernel_dim = 4;
  std::uint64_t conv_kernel = 3;
  bool conv_bias = false;
  bool attention_gate = false;
  bool sliding_sinks = false;
  std::optional<std::uint64_t> value_head_dim;              // null: head_dim
  std::optional<std::uint64_t> global_head_dim;             // of full layers; null: head_dim
  std::optional<std::uint64_t> global_num_key_value_heads;  // null: num_key_value_heads
  bool global_keys_are_values = false;
  bool value_norm = false;
  std::uint64_t shared_key_value_layers = 0;
  bool wide_shared_layers = false;
  std::uint64_t hidden_size_per_layer_input = 0;
  std::optional<std::uint64_t> vocab_size_per_layer_input;  // null: vocab_size
  bool experts_beside_dense = false;
  std::uint64_t moe_latent_size = 0;
  std::uint64_t index_n_heads = 0;
  std::uint64_t index_head_dim = 128;
  std::uint64_t index_topk = 2048;
  std::vector<std::uint64_t> index_layers;  // empty: all
};

// The mixer of a layer.
enum class Mixer : std::uint8_t {
  none,
  attention,
  mamba,
  mamba2,
  gated_delta,
  convolution,
  lightning,
};

struct DecoderLayerKind {
  Mixer mixer = Mixer::attention;
  bool dense = true;     // a plain feed-forward
  bool experts = false;  // a mixture of experts
};

[[nodiscard]] Architecture decoder_architecture();

// What the fields resolve to.
[[nodiscard]] std::uint64_t kv_heads(const DecoderConfig& c);
[[nodiscard]] std::uint64_t head_dim(const DecoderConfig& c);
[[nodiscard]] std::uint64_t intermediate_size(const DecoderConfig& c);
[[nodiscard]] DecoderLayerKind layer_kind(const DecoderConfig& c, std::uint64_t layer);
// Those of one layer, where layers that see all tokens differ from the others.
[[nodiscard]] std::uint64_t kv_heads(const DecoderConfig& c, std::uint64_t layer);
[[nodiscard]] std::uint64_t head_dim(const DecoderConfig& c, std::uint64_t layer);
// Whether the layer attends with the keys and values of an earlier one.
[[nodiscard]] bool shares_keys(const DecoderConfig& c, std::uint64_t layer);
// Tokens before the current one that a layer looks back at, itself included; 0: all.
[[nodiscard]] std::uint64_t window(const DecoderConfig& c, std::uint64_t layer);

// Without --seq-len a trace has as many tokens as the model was made for, but at most so many.
inline constexpr std::uint64_t kDefaultSeqLen = 2048;

}  // namespace vitals
