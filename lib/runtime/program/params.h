// Where the values of parameters come from, one parameter at a time, so that no second copy of a
// model is ever in memory; and seeded random ones. Must not know of kernels, nor of how they keep
// their weights.
#pragma once

#include "graph/graph.h"

#include <functional>
#include <span>

namespace vitals {

// Fills `values`, row-major and as long as the parameter, in fp32.
using ParamSource = std::function<void(ParamId, std::span<float> values)>;

// Values as after initialisation: matrices and tables normal with a deviation of 0.02, cut off at
// three and a half deviations, the factors of norms and LayerScale one, biases zero. The same for
// every order of asking, by the parameter's path and the seed. The graph must outlive the source.
[[nodiscard]] ParamSource random_params(const Graph& graph, std::uint64_t seed);

// Numbers in [-1, 1), the same for a seed: an image of noise.
void fill_noise(std::span<float> values, std::uint64_t seed);

}  // namespace vitals
