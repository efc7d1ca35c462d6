// The fields of an encoder-decoder model, their checks, and what they resolve to. The forward pass
// is elsewhere.
#pragma once

#include "models/text/encoder_decoder.h"

namespace vitals {

[[nodiscard]] std::vector<Field> encoder_decoder_fields();

// Throws Error "/field: ..." for sizes and combinations that no such model has.
void validate(const EncoderDecoderConfig& c);

[[nodiscard]] std::uint64_t decoder_vocab_size(const EncoderDecoderConfig& c);

// Without --seq-len a text has as many tokens as the model was made for, but at most so many.
inline constexpr std::uint64_t kDefaultLen = 2048;

}  // namespace vitals
