// One layer of a transformer stack: attention, cross attention where there is an encoder to look
// at, and the feed-forward, normalised before (Xiong et al. 2020, arXiv:2002.04745) or after.
// Encoders, encoder-decoders and the towers of dual encoders are made of it, each under its
// family's names. Knows no family and no config.
#pragma once

#include "models/layers/layers.h"

#include <optional>
#include <string_view>
#include <vector>

namespace vitals {

// Names relative to the layer, those of projections relative to their attention or MLP; an empty
// one has no module of its own. Dots nest: "attention.output.LayerNorm".
struct StackLayerNames {
  std::string_view attn = "self_attn";
  std::string_view q = "q_proj";
  std::string_view k = "k_proj";
  std::string_view v = "v_proj";
  std::string_view qkv = {};  // all three in one matrix
  std::string_view q_norm = "q_norm";
  std::string_view k_norm = "k_norm";
  std::string_view out = "out_proj";
  std::string_view attn_norm = "self_attn_layer_norm";
  std::string_view attn_scale = {};  // LayerScale
  std::string_view cross = "encoder_attn";
  std::string_view cross_norm = "encoder_attn_layer_norm";
  std::string_view mlp = {};
  std::string_view gate = {};
  std::string_view up = "fc1";
  std::string_view down = "fc2";
  std::string_view act = "activation_fn";
  std::string_view mlp_norm = "final_layer_norm";
  std::string_view mlp_scale = {};
};

enum class StackMlp : std::uint8_t {
  plain,   // down(act(up(x)))
  gated,   // down(act(gate(x)) * up(x)) (Shazeer 2020, arXiv:2002.05202)
  packed,  // the same with gate and up as one matrix, the gate first
};

struct StackLayer {
  StackLayerNames names;
  std::uint64_t num_heads = 1;
  std::uint64_t head_dim = 64;
  std::uint64_t hidden = 0;  // features inside the MLP, of each half when it is gated
  NormOptions norm;
  std::optional<NormOptions> qk_norm = {};  // of all queries, and of all keys
  bool pre_norm = false;
  bool first_norm = true;  // before the attention of the first layer, where norms stand before
  double scale = 1.0;      // of the scores
  bool qkv_bias = true;
  bool key_bias = true;  // that of the keys, where the others have one
  bool out_bias = true;
  bool mlp_bias = true;
  StackMlp mlp = StackMlp::plain;
  op::ActivationKind act = op::ActivationKind::gelu;
  bool causal = false;       // a decoder: keeps keys and values for the next tokens
  std::uint64_t source = 0;  // tokens of the encoder that cross attention looks at; 0: none
  double drop = 0.0;
  double attn_drop = 0.0;
  double act_drop = 0.0;
  std::optional<double> mlp_drop = {};  // behind the MLP; null: drop
  double drop_path = 0.0;           // stochastic depth of the last layer; it grows linearly from 0
  bool drop_path_constant = false;  // or is the same in all
};

// What a layer takes from outside.
struct StackContext {
  std::optional<Tensor> mask = {};  // causal, [tokens, keys]
  std::optional<Tensor> rope = {};  // tables [tokens, 2 * head_dim]
  std::uint64_t rope_from = 0;      // tokens before this one are not rotated
  // Lengths of the windows that tokens see each other in, one behind the other; empty: all do.
  std::vector<std::uint64_t> windows = {};
  std::optional<Tensor> encoder_output = {};  // absent while generating: its keys are cached
  // T5's relative positions (Raffel et al. 2020, arXiv:1910.10683, section 2.1): a table
  // [buckets, heads] that lives in the first layer's attention, and the bias that it gives.
  // DeBERTa's disentangled attention (He et al. 2020, arXiv:2006.03654, section 3.1): embeddings of
  // relative positions [1, 2 * spans, width] that the layer projects like tokens, or by matrices of
  // their own.
  std::optional<Tensor> relative_embeddings = {};
  bool content_to_position = false;
  bool position_to_content = false;
  bool own_position_projections = false;
  std::uint64_t relative_buckets = 0;
  bool relative_in_every_layer = false;
  std::optional<Tensor> relative_bias = {};
};

// [B, N, C] -> [B, N, C]; runs inside the layer's own module call.
Tensor stack_layer(Builder& b, Tensor x, const StackLayer& layer, StackContext& ctx);

// The layers "<list>.0", "<list>.1", ..., of which the first is number `from`.
Tensor layer_stack(Builder& b, std::string_view list, std::string_view type, Tensor x,
                   std::uint64_t count, const StackLayer& layer, StackContext& ctx,
                   std::uint64_t from = 0);

// Runs `body` as a call of the module `name`, or as a part of the current one when it has no name.
template <std::invocable F>
auto named_call(Builder& b, std::string_view name, const ModuleType& type, const Tensors& inputs,
                F&& body) {
  return name.empty() ? std::forward<F>(body)() : b.call(name, type, inputs, std::forward<F>(body));
}

}  // namespace vitals
