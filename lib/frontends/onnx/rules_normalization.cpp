// Normalisations: the output is shaped like the input, statistics beside it.
#include "frontends/onnx/rules.h"

#include <array>

namespace vitals::onnx {
namespace {

Extents channels(const OpContext& c) {
  const auto& x = c.dims(0);
  return {x.size() > 1 ? x[1] : 1};
}

// Running mean and variance where it trains (opset 14), saved ones as well before.
Inferred batch_norm(const OpContext& c) {
  auto r = same_as(c);
  for (std::size_t i = 1; i < c.node().outputs.size(); ++i)
    r.outputs.push_back(tensor(c.type(0), channels(c)));
  return r;
}

// Mean and inverse deviation of each group of normalised elements.
Inferred layer_norm(const OpContext& c) {
  auto r = same_as(c);
  Extents statistics = c.dims(0);
  const auto axis = c.axis(c.integer("axis", -1), statistics.size());
  for (std::size_t i = axis; i < statistics.size(); ++i) statistics[i] = 1;
  r.outputs.push_back(tensor(DataType::float32, statistics));
  r.outputs.push_back(tensor(DataType::float32, statistics));
  return r;
}

Inferred plain(const OpContext& c) { return same_as(c); }

constexpr auto kRules = std::to_array<RuleEntry>({
    {"BatchNormalization", batch_norm},
    {"GroupNormalization", plain},
    {"InstanceNormalization", plain},
    {"LRN", plain},
    {"LayerNormalization", layer_norm},
    {"LpNormalization", plain},
    {"MeanVarianceNormalization", plain},
    {"RMSNormalization", plain},
    {"SimplifiedLayerNormalization", layer_norm},
});

}  // namespace

RuleTable normalization_rules() { return kRules; }

}  // namespace vitals::onnx
