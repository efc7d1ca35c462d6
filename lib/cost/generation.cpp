#include "cost/generation.h"

#include "cost/rollup.h"

#include <algorithm>

namespace vitals {
namespace {

// Past lengths at which a layer's window fills, so that the next tokens cost it no more.
std::vector<std::uint64_t> bends(const Graph& graph) {
  std::vector<std::uint64_t> lengths;
  for (const auto& cache : graph.kv_caches)
    if (cache.window > 0) lengths.push_back(cache.window - 1);
  std::sort(lengths.begin(), lengths.end());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  return lengths;
}

// Tokens of the encoder that cross attention looks at; 0 where there is none.
std::uint64_t source_tokens(const Graph& graph) {
  std::uint64_t tokens = 0;
  for (const auto& cache : graph.kv_caches) tokens = std::max(tokens, cache.source_tokens);
  return tokens;
}

}  // namespace

BuildOptions prompt_options(const BuildTrace& build, BuildOptions options) {
  const auto source = source_tokens(build(options));
  if (source == 0) return options;
  options.source_len = source;
  if (options.seq_len == 0) options.seq_len = 1;
  return options;
}

void check_positions(const BuildTrace& build, BuildOptions options, std::uint64_t new_tokens) {
  if (new_tokens == 0) return;
  options = prompt_options(build, options);
  const auto past = (Count(build(options).num_tokens) + new_tokens - 1).value();
  options.seq_len = 1;
  options.past_len = past;
  (void)build(options);
}

Generation generation_macs(const BuildTrace& build, BuildOptions options,
                           std::uint64_t new_tokens) {
  options = prompt_options(build, options);
  const auto prompt = build(options);
  const auto begin = prompt.num_tokens;
  Generation g;
  g.prompt = options.source_len > 0 ? options.source_len : begin;
  g.new_tokens = new_tokens;
  g.prefill = macs_by_module(prompt).sum();
  if (new_tokens == 0) return g;

  const auto step = [&](std::uint64_t past) {
    options.seq_len = 1;
    options.past_len = past;
    return macs_by_module(build(options)).sum();
  };
  const auto last = (Count(begin) + new_tokens - 1).value();
  g.first_step = step(begin);
  g.last_step = new_tokens == 1 ? g.first_step : step(last);

  // Between two bends a step's cost grows by the same amount with every token: the sum is that of
  // an arithmetic series, exactly.
  auto ends = bends(prompt);
  ends.erase(
      std::remove_if(ends.begin(), ends.end(), [&](auto p) { return p < begin || p >= last; }),
      ends.end());
  ends.push_back(last);
  auto first = begin;
  for (const auto end : ends) {
    const auto steps = Count(end - first) + 1;
    const auto at_first = first == begin ? g.first_step : step(first);
    const auto at_end = end == last ? g.last_step : step(end);
    g.decode += steps * (at_first + at_end) / 2;
    first = end + 1;
  }
  return g;
}

}  // namespace vitals
