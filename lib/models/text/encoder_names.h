// What the families of text encoders call their modules, and how they build their heads. A row a
// family; the trace is the same.
#pragma once

#include "models/layers/stack_layer.h"

#include <string_view>
#include <vector>

namespace vitals {

// An empty name: the family has no such module.
struct EncoderNames {
  std::string_view naming;
  std::string_view base = "bert";  // the encoder's name under a head
  std::string_view project_in = {};
  std::string_view word = "word_embeddings";
  std::string_view embed_norm = "LayerNorm";
  std::string_view final_norm = {};
  std::string_view layers = "encoder.layer";
  std::string_view inner_layers = {};  // of a group of layers that share their weights
  StackLayerNames layer = {};
  std::string_view pooler = "pooler.dense";
  // the head of masked language models: dense, activation, norm, decoder
  std::string_view lm_dense = {};
  std::string_view lm_norm = {};
  std::string_view lm_decoder = {};
  std::string_view lm_bias = {};  // the module that owns the decoder's bias; empty: itself
  // classification of a whole text: from the pooled token, or from the first one through a dense
  // layer of the head
  std::string_view classifier_dense = {};
  op::ActivationKind classifier_act = op::ActivationKind::tanh;
  bool drops_before_dense = true;  // besides the dropout behind it
  std::string_view sentence_classifier = "classifier";
  // the second task of pretraining: two classes for a pair, or one for each token
  std::string_view pair_classifier = {};
  std::string_view token_dense = {};
  std::string_view token_score = {};
  bool drops_spans = false;  // dropout before the scores of spans, too
};

// Null when there is none of that name.
[[nodiscard]] const EncoderNames* find_encoder_names(std::string_view naming);
[[nodiscard]] const std::vector<std::string_view>& encoder_namings();

}  // namespace vitals
