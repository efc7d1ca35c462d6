#include "models/text/encoder_decoder_names.h"

#include "models/naming.h"

namespace vitals {
namespace {

constexpr StackLayerNames t5_layer(bool decoder) {
  return {.attn = "layer.0.SelfAttention",
          .q = "q",
          .k = "k",
          .v = "v",
          .out = "o",
          .attn_norm = "layer.0.layer_norm",
          .cross = "layer.1.EncDecAttention",
          .cross_norm = "layer.1.layer_norm",
          .mlp = decoder ? "layer.2.DenseReluDense" : "layer.1.DenseReluDense",
          .gate = "wi_0",
          .up = "wi",
          .down = "wo",
          .act = "act",
          .mlp_norm = decoder ? "layer.2.layer_norm" : "layer.1.layer_norm"};
}

constexpr EncoderDecoderNames kEncoderDecoders[] = {
    {.naming = "transformer", .base = ""},
    {.naming = "bart"},
    {.naming = "whisper", .shared = "", .head = "proj_out"},
    {.naming = "t5",
     .base = "",
     .layers = "block",
     .final_norm = "final_layer_norm",
     .encoder_layer = t5_layer(false),
     .decoder_layer = t5_layer(true),
     .gated_up = "wi_1"},
};

}  // namespace

const EncoderDecoderNames* find_encoder_decoder_names(std::string_view naming) {
  return find_naming(kEncoderDecoders, naming);
}

const std::vector<std::string_view>& encoder_decoder_namings() {
  static const auto names = namings_of(kEncoderDecoders);
  return names;
}

}  // namespace vitals
