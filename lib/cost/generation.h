// What it costs to generate text: one forward pass over the prompt, then one for each new token
// behind a cache of all before it. Knows traces, not models: it is given how to build them.
#pragma once

#include "graph/builder.h"

#include <functional>

namespace vitals {

using BuildTrace = std::function<Graph(const BuildOptions&)>;

// In MACs of matrix products, for the whole batch.
struct Generation {
  std::uint64_t prompt = 0;
  std::uint64_t new_tokens = 0;
  Count prefill;
  Count first_step;  // the token behind the prompt
  Count last_step;
  Count decode;  // all steps

  [[nodiscard]] Count total() const { return prefill + decode; }
};

// The options of the pass over the prompt. Where there is an encoder, it reads as many tokens as in
// a pass without generation; the decoder behind it begins with options.seq_len tokens (0: one).
[[nodiscard]] BuildOptions prompt_options(const BuildTrace& build, BuildOptions options);

// Throws Error where the model has too few positions for so many tokens behind its input.
void check_positions(const BuildTrace& build, BuildOptions options, std::uint64_t new_tokens);

// Step i of n reads one token behind prompt + i others; afterwards the cache holds prompt + n.
// options.seq_len is the prompt (0: the model's default). Throws Error where the model has too few
// positions.
[[nodiscard]] Generation generation_macs(const BuildTrace& build, BuildOptions options,
                                         std::uint64_t new_tokens);

}  // namespace vitals
