// What a parameter or module is for. A front end states the role where it builds the layer; tensor
// parallelism, quantisation, adapters, conventions and optimizers read it. No analysis looks at
// names or at the text of a type. Knows no trace.
#pragma once

#include <cstdint>
#include <string_view>

namespace vitals {

enum class Role : std::uint8_t {
  none,  // not stated
  // Projections of attention.
  query,
  key,
  value,
  qkv,               // query, key and value in one matrix
  key_value,         // key and value in one, also those of a latent that is written out (MLA)
  query_latent,      // low-rank input of query (DeepSeek-V2, arXiv:2405.04434, section 2.1)
  key_value_latent,  // low-rank input of key_value
  attention_output,
  // The feed-forward, of experts as well.
  gate,
  up,
  gate_up,  // both in one matrix
  down,
  qkv_up,        // qkv and up in one: attention and feed-forward side by side (ViT-22B)
  output_down,   // attention_output and down in one
  router,        // chooses experts
  shared_gate,   // weighs the expert that all tokens pass
  token_mixing,  // linear over the tokens instead of the features
  // Before and after the layers.
  embedding,  // of the vocabulary
  position_embedding,
  type_embedding,
  patch_embedding,
  token,       // a learned token: class, register, mask, latent query
  projection,  // from one width to another
  pooler,
  transform,   // dense layer of a head, before its last one
  head,        // scores over the vocabulary
  classifier,  // all other scores
  // Anywhere.
  norm,
  scale,          // LayerScale
  position_bias,  // of attention scores, by relative position
  sink,           // attention sink: a key for each head that has no value
  convolution,
  other,  // stated to be none of these
  // Modules that hold others. Their own parameters have no role unless one is stated.
  layer,
  attention,
  feed_forward,
  mixture,  // router and experts
  experts,
};

// Whether it is the role of a module that holds others.
[[nodiscard]] constexpr bool holds_modules(Role role) { return role >= Role::layer; }

// How tensor parallelism cuts a weight matrix (Shoeybi et al. 2019, arXiv:1909.08053, section 3).
enum class Cut : std::uint8_t {
  none,        // every rank holds all of it
  column,      // along the output features; the bias likewise
  row,         // along the input features; the bias is whole
  vocabulary,  // along the words: an embedding table, or the head with its bias
};
[[nodiscard]] Cut cut_of(Role role);

// "query", "key_value", ...
[[nodiscard]] std::string_view name_of(Role role);

// Which class of torch.nn (or, where it says so, of Transformers) a module is an instance of. Tools
// that hook modules by their class read it.
enum class TorchClass : std::uint8_t {
  other,
  linear,
  transformers_conv1d,  // GPT-2's linear layer with a transposed weight
  conv1d,
  conv2d,
  conv3d,
  conv_transpose,  // of one to three dimensions, as the norms and pools below
  embedding,
  layer_norm,
  batch_norm,
  instance_norm,
  group_norm,
  activation,
  dropout,
  identity,
  avg_pool,
  max_pool,
  adaptive_avg_pool2d,
  recurrent,  // LSTM, GRU, RNN
  multihead_attention,
  sequential,
  module_list,
};

// That of a class by its name in torch.nn ("Conv2d"), for front ends that read names; other for the
// rest.
[[nodiscard]] TorchClass torch_class(std::string_view name);

}  // namespace vitals
