// One forward pass on given weights and a given input: what `vitals run` writes. Must not know
// files or the command line.
#pragma once

#include "runtime/executor.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace vitals {

struct NamedTensor {
  std::string name;
  Shape shape;
  std::vector<float> values;  // row-major
};

struct ForwardOptions {
  Element precision = Element::kF32;
  bool all = false;  // the output of every module by its path, and `block_input`, too
  std::function<void(double part)> progress = {};  // how much is done, 0 to 1
};

// The model's output, "logits" ("logits.0", ... when it has several), and what else is asked for. A
// module that is called several times gives its last output; one that returns a tuple gives PATH.0,
// PATH.1, ... `input` has the elements of the trace's one input, which must be an image.
[[nodiscard]] std::vector<NamedTensor> forward(const Graph& graph, Engine& engine,
                                               const ParamSource& params,
                                               std::span<const float> input,
                                               const ForwardOptions& options);

// "[0, 2, 5, 7]": where element `index` of a row-major tensor stands.
[[nodiscard]] std::string place_of(std::uint64_t index, const Shape& shape);

// Throws Error that names the first element of a tensor that is NaN or infinite.
void require_finite(std::span<const float> values, const Shape& shape);

}  // namespace vitals
