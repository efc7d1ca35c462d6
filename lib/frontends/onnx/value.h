// What is known of a value of an ONNX graph before the model runs: its type, its dimensions, and of
// what only depends on sizes (shape arithmetic) its numbers. And the flat list of steps that a
// graph with its functions, branches and loops runs. Must not know what an op means.
#pragma once

#include "core/count.h"
#include "frontends/onnx/model.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vitals::onnx {

using Extents = std::vector<std::int64_t>;
using ValueId = std::uint32_t;
inline constexpr ValueId kAbsent = UINT32_MAX;  // an input that was left out

// Tensors of more elements are not evaluated: shapes have few.
inline constexpr std::size_t kMaxConstant = 1U << 16U;

struct Value {
  DataType type = DataType::undefined;
  bool shaped = false;  // whether `dims` are known
  Extents dims;
  // Some dimension depends on data (how many boxes are kept), and is taken at its largest.
  bool bounded = false;
  std::shared_ptr<const Numbers> constant;  // its numbers, where they depend on sizes alone
  const Tensor* initializer = nullptr;      // where it is one
  bool is_input = false;                    // an input of the graph
  bool is_sequence = false;
  std::vector<ValueId> items;  // of a sequence
  ValueId alias = kAbsent;     // of a rule's result: it is this very value
  std::string_view name;
};

// One op that runs. Attributes stand in its node.
struct Step {
  const Node* node = nullptr;
  std::string_view type;  // "Conv"; with the domain before it, where that is not ONNX's own
  std::int64_t opset = 0;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Count macs;               // multiply-accumulates of its products
  bool known = true;        // whether the op has a rule
  bool shaped = true;       // whether the rule could tell the shapes
  std::uint32_t scope = 0;  // index into Program::scopes
};

// Around a step: a call of a local function, or nothing (0).
struct Scope {
  std::uint32_t parent = 0;
  const Node* call = nullptr;
  const Function* function = nullptr;
};

struct Program {
  std::vector<Value> values;
  std::vector<Step> steps;
  std::vector<Scope> scopes = {{}};
  std::vector<ValueId> inputs;  // those that are data, not weights
  std::vector<ValueId> outputs;
  std::vector<std::string> notes;  // what was assumed
  std::size_t folded = 0;          // nodes of shape arithmetic, which are no steps
  std::shared_ptr<void> owns;      // nodes and tensors that no file holds
};

// "Conv" for ONNX's own ops, "com.microsoft::FusedConv" for others.
[[nodiscard]] std::string qualified(const Node& node);

[[nodiscard]] Count numel(const Extents& dims);
[[nodiscard]] std::string to_string(const Extents& dims);

}  // namespace vitals::onnx
