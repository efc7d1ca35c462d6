// What the families of encoder-decoder models call their modules. A row a family; the trace is the
// same.
#pragma once

#include "models/layers/stack_layer.h"

#include <string_view>
#include <vector>

namespace vitals {

struct EncoderDecoderNames {
  std::string_view naming;
  std::string_view base = "model";  // holds encoder and decoder under a head; empty: the model does
  std::string_view shared = "shared";  // the table that encoder and decoder share; empty: the
                                       // decoder owns it
  std::string_view embed = "embed_tokens";
  std::string_view positions = "embed_positions";
  std::string_view embed_norm = "layernorm_embedding";
  std::string_view layers = "layers";
  std::string_view final_norm = "layer_norm";
  std::string_view head = "lm_head";
  StackLayerNames encoder_layer = {};
  StackLayerNames decoder_layer = {};
  std::string_view gated_up = {};  // instead of a layer's `up` when its MLP is gated
};

// Null when there is none of that name.
[[nodiscard]] const EncoderDecoderNames* find_encoder_decoder_names(std::string_view naming);
[[nodiscard]] const std::vector<std::string_view>& encoder_decoder_namings();

}  // namespace vitals
