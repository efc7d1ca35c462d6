#include "analysis/generation.h"

#include "analysis/rollup.h"

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

}  // namespace

Generation generation_macs(const BuildTrace& build, BuildOptions options,
                           std::uint64_t new_tokens) {
  const auto prompt = build(options);
  Generation g;
  g.prompt = prompt.num_tokens;
  g.new_tokens = new_tokens;
  g.prefill = macs_by_module(prompt).sum();
  if (new_tokens == 0) return g;

  const auto step = [&](std::uint64_t past) {
    options.seq_len = 1;
    options.past_len = past;
    return macs_by_module(build(options)).sum();
  };
  const auto last = (Count(g.prompt) + new_tokens - 1).value();
  g.first_step = step(g.prompt);
  g.last_step = new_tokens == 1 ? g.first_step : step(last);

  // Between two bends a step's cost grows by the same amount with every token: the sum is that of
  // an arithmetic series, exactly.
  auto ends = bends(prompt);
  ends.erase(
      std::remove_if(ends.begin(), ends.end(), [&](auto p) { return p < g.prompt || p >= last; }),
      ends.end());
  ends.push_back(last);
  auto first = g.prompt;
  for (const auto end : ends) {
    const auto steps = Count(end - first) + 1;
    const auto at_first = first == g.prompt ? g.first_step : step(first);
    const auto at_end = end == last ? g.last_step : step(end);
    g.decode += steps * (at_first + at_end) / 2;
    first = end + 1;
  }
  return g;
}

}  // namespace vitals
