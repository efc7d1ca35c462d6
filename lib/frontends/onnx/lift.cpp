#include "frontends/onnx/lift.h"

#include <array>
#include <span>

namespace vitals::onnx {
namespace {

struct Pattern {
  std::string_view name;
  op::UnaryKind kind;
  std::array<std::string_view, 8> types;  // in order; the rest is empty
  std::size_t reads = 0;                  // how many of the steps read the chain's input
};

// Longer ones first: the end of one may be another.
constexpr Pattern kPatterns[] = {
    {"gelu by erf", op::UnaryKind::gelu, {"Div", "Erf", "Add", "Mul", "Mul"}, 2},
    {"gelu by erf", op::UnaryKind::gelu, {"Mul", "Erf", "Add", "Mul", "Mul"}, 2},
    {"quick gelu by sigmoid", op::UnaryKind::quick_gelu, {"Mul", "Sigmoid", "Mul"}, 2},
    {"mish by softplus", op::UnaryKind::mish, {"Softplus", "Tanh", "Mul"}, 2},
    {"silu by sigmoid", op::UnaryKind::silu, {"Sigmoid", "Mul"}, 2},
    {"hard swish by hard sigmoid", op::UnaryKind::hard_swish, {"HardSigmoid", "Mul"}, 2},
};

std::size_t length(const Pattern& pattern) {
  std::size_t n = 0;
  while (n < pattern.types.size() && !pattern.types[n].empty()) ++n;
  return n;
}

bool is_scalar(const Value& value) {
  return (value.constant != nullptr || value.initializer != nullptr) && value.shaped &&
         numel(value.dims) == Count(1);
}

// Every step reads the one before it, the chain's input or a number; no one else reads what comes
// between.
std::optional<Lifted> matched(const Pattern& pattern, const Program& program, std::size_t first,
                              const std::vector<std::size_t>& last_use) {
  const auto n = length(pattern);
  if (first + n > program.steps.size()) return std::nullopt;
  const auto steps = std::span(program.steps).subspan(first, n);
  for (std::size_t k = 0; k < n; ++k)
    if (steps[k].type != pattern.types[k] || steps[k].outputs.size() != 1) return std::nullopt;
  std::optional<ValueId> input;
  std::size_t reads = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const auto before = k == 0 ? kAbsent : steps[k - 1].outputs[0];
    bool linked = k == 0;
    bool reads_input = false;
    for (const auto id : steps[k].inputs) {
      if (id == kAbsent) return std::nullopt;
      if (id == before) {
        linked = true;
      } else if (!is_scalar(program.values[id])) {
        if (input && *input != id) return std::nullopt;
        input = id;
        reads_input = true;
      }
    }
    reads += reads_input ? 1 : 0;
    if (!linked) return std::nullopt;
    if (k + 1 < n && last_use[steps[k].outputs[0]] > first + n) return std::nullopt;
  }
  const auto output = steps[n - 1].outputs[0];
  if (!input || reads != pattern.reads) return std::nullopt;
  if (program.values[*input].dims != program.values[output].dims) return std::nullopt;
  return Lifted{pattern.name, op::Unary{pattern.kind}, *input, output, n};
}

}  // namespace

std::optional<Lifted> lift_at(const Program& program, std::size_t first,
                              const std::vector<std::size_t>& last_use) {
  for (const auto& pattern : kPatterns)
    if (auto found = matched(pattern, program, first, last_use)) return found;
  return std::nullopt;
}

}  // namespace vitals::onnx
