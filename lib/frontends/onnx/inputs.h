// The inputs of an ONNX graph: which are data and which are weights, and what the dimensions are
// that the file leaves open.
#pragma once

#include "frontends/onnx/expand.h"

#include <deque>

namespace vitals::onnx {

// Adds the graph's inputs to the program. Weights that the export left as inputs become
// initializers without values, which `made` holds.
void add_inputs(const Model& model, const Sizes& sizes, Program& program, std::deque<Tensor>& made);

// The dimensions that a value is stated to have; nothing where a symbol has no number.
class Symbols {
 public:
  explicit Symbols(const Sizes& sizes) : sizes_(sizes) {}
  [[nodiscard]] std::optional<std::int64_t> find(std::string_view symbol) const;
  void learn(std::string_view symbol, std::int64_t size);

 private:
  const Sizes& sizes_;
  std::map<std::string, std::int64_t, std::less<>> learnt_;
};

}  // namespace vitals::onnx
