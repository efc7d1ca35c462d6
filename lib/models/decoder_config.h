// The fields of a decoder, their checks, and what they resolve to. The forward pass is elsewhere.
#pragma once

#include "models/decoder.h"

namespace vitals {

[[nodiscard]] std::vector<Field> decoder_fields();
[[nodiscard]] std::vector<Alias> decoder_field_aliases();

// Throws Error "/field: ..." for sizes and combinations that no such model has.
void validate(const DecoderConfig& c);

[[nodiscard]] std::uint64_t rotary_dim(const DecoderConfig& c);
[[nodiscard]] std::uint64_t embedding_size(const DecoderConfig& c);

}  // namespace vitals
