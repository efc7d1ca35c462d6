// LSTM, GRU and RNN. X [tokens, batch, in] (layout 1: batch first), W [directions, gates * hidden,
// in], R [directions, gates * hidden, hidden].
#include "frontends/onnx/rules.h"

#include <array>

namespace vitals::onnx {
namespace {

Inferred recurrent(const OpContext& c, std::size_t states) {
  const auto& x = c.dims(0);
  const auto& w = c.dims(1);
  const auto& r = c.dims(2);
  if (x.size() != 3 || w.size() != 3 || r.size() != 3)
    fail("shapes {}, {} and {} do not fit", to_string(x), to_string(w), to_string(r));
  const bool batch_first = c.integer("layout", 0) != 0;
  const auto tokens = x[batch_first ? 1 : 0];
  const auto batch = x[batch_first ? 0 : 1];
  const auto directions = w[0];
  const auto hidden = r[2];
  Inferred result;
  result.outputs.push_back(tensor(c.type(0), batch_first
                                                 ? Extents{batch, tokens, directions, hidden}
                                                 : Extents{tokens, directions, batch, hidden}));
  for (std::size_t i = 0; i < states; ++i)
    result.outputs.push_back(tensor(c.type(0), batch_first ? Extents{batch, directions, hidden}
                                                           : Extents{directions, batch, hidden}));
  // Every token goes through both matrices of each direction.
  result.macs = numel({tokens, batch}) * (numel(w) + numel(r));
  return result;
}

Inferred lstm(const OpContext& c) { return recurrent(c, 2); }
Inferred gru(const OpContext& c) { return recurrent(c, 1); }

constexpr auto kRules = std::to_array<RuleEntry>({
    {"GRU", gru},
    {"LSTM", lstm},
    {"RNN", gru},
});

}  // namespace

RuleTable recurrent_rules() { return kRules; }

}  // namespace vitals::onnx
