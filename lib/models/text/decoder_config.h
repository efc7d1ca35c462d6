// The fields of a decoder, their checks, and what they resolve to. The forward pass is elsewhere.
#pragma once

#include "models/text/decoder.h"

namespace vitals {

[[nodiscard]] std::vector<Field> decoder_fields();
[[nodiscard]] std::vector<Field> decoder_hybrid_fields();
[[nodiscard]] std::vector<Alias> decoder_field_aliases();

// Throws Error "/field: ..." for sizes and combinations that no such model has.
void validate(const DecoderConfig& c);

[[nodiscard]] std::uint64_t rotary_dim(const DecoderConfig& c);
[[nodiscard]] std::uint64_t embedding_size(const DecoderConfig& c);
// Dropout rates of what attention and the feed-forward return; 0 where their sum is dropped out.
[[nodiscard]] double attention_drop(const DecoderConfig& c);
[[nodiscard]] double feed_forward_drop(const DecoderConfig& c);

}  // namespace vitals
