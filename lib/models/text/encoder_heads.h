// What stands behind a text encoder: from hidden states to tokens, classes or spans. Knows the
// encoder's output and config, not how it came about.
#pragma once

#include "models/text/encoder.h"
#include "models/text/encoder_names.h"

namespace vitals {

// The names that the field `head` takes.
[[nodiscard]] const std::vector<std::string_view>& encoder_head_names();

// Throws Error "/head: ..." for a head that the family does not have.
void check_encoder_head(const EncoderConfig& c, const EncoderNames& n);

// Whether the encoder pools its first token for the head (or for whoever takes it without one).
[[nodiscard]] bool pools(const EncoderConfig& c, const EncoderNames& n);

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): there are no tokens by default
struct EncoderOutput {
  Tensor tokens;                 // [B, s, hidden_size]
  std::optional<Tensor> pooled;  // [B, hidden_size]
  ParamId table = kNone;         // the embeddings of the vocabulary
};

Tensors encoder_head(Builder& b, const EncoderOutput& encoded, const EncoderConfig& c,
                     const EncoderNames& n);

}  // namespace vitals
