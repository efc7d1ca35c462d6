#include "graph/op_traits.h"

#include <array>
#include <cassert>
#include <optional>
#include <utility>

namespace vitals {
namespace {

template <std::size_t... I>
constexpr auto rows_of(std::index_sequence<I...>) {
  return std::array{&kTraits<std::variant_alternative_t<I, Op>>...};
}
constexpr auto kRows = rows_of(std::make_index_sequence<std::variant_size_v<Op>>{});

// The row of the kind, where the op is of a family.
std::optional<KindTraits> kind_of(const Op& op) {
  if (const auto* o = std::get_if<op::Activation>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Binary>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Reduce>(&op)) return traits(o->kind);
  return std::nullopt;
}

}  // namespace

const OpTraits& traits(const Op& op) { return *kRows[op.index()]; }

// NOLINTNEXTLINE(readability-function-size): a table, one row a kind
KindTraits traits(op::ActivationKind kind) {
  using enum op::ActivationKind;
  switch (kind) {
    case gelu:  // (0.5 x) (1 + erf(x / sqrt 2))
      return {.name = "gelu",
              .formula = "y = x/2 (1 + erf(x / sqrt 2))",
              .source = "Hendrycks & Gimpel 2016, arXiv:1606.08415",
              .arithmetic = {.multiplications = 3, .additions = 1, .error_functions = 1}};
    case gelu_tanh:  // (0.5 x) (1 + tanh(sqrt(2/pi) (x + 0.044715 x x x)))
      return {.name = "gelu_tanh",
              .formula = "y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
              .source = "Hendrycks & Gimpel 2016, arXiv:1606.08415",
              .arithmetic = {.multiplications = 6, .additions = 2, .tangents = 1}};
    case quick_gelu:  // x / (1 + exp(-1.702 x)); eager: x * sigmoid(1.702 x), written out
      return {
          .name = "quick_gelu",
          .formula = "y = x sigmoid(1.702 x)",
          .source = "Hendrycks & Gimpel 2016, arXiv:1606.08415",
          .arithmetic = {.multiplications = 1, .additions = 1, .divisions = 1, .exponentials = 1},
          .saves = Saves::own,
          .traffic = 7};
    case silu:  // x / (1 + exp(-x))
      return {.name = "silu",
              .formula = "y = x sigmoid(x)",
              .source = "Elfwing et al. 2017, arXiv:1702.03118",
              .arithmetic = {.additions = 1, .divisions = 1, .exponentials = 1}};
    case relu:
      return {.name = "relu",
              .formula = "y = max(x, 0)",
              .source = "torch.nn.ReLU",
              .onnx = "Relu",
              .arithmetic = {.comparisons = 1},
              .saves = Saves::output};
    case relu_squared:
      return {.name = "relu_squared",
              .formula = "y = max(x, 0)^2",
              .source = "So et al. 2021, arXiv:2109.08668",
              .arithmetic = {.multiplications = 1, .comparisons = 1},
              .saves = Saves::own,
              .traffic = 4};
    case tanh:
      return {.name = "tanh",
              .formula = "y = tanh(x)",
              .source = "torch.nn.Tanh",
              .onnx = "Tanh",
              .arithmetic = {.tangents = 1},
              .saves = Saves::output};
    case sigmoid:
      return {.name = "sigmoid",
              .formula = "y = 1 / (1 + exp(-x))",
              .source = "torch.nn.Sigmoid",
              .onnx = "Sigmoid",
              .arithmetic = {.additions = 1, .divisions = 1, .exponentials = 1},
              .saves = Saves::output};
    case softplus:
      return {.name = "softplus",
              .formula = "y = max(x, 0) + log(1 + exp(-|x|))",
              .source = "torch.nn.Softplus",
              .onnx = "Softplus",
              .arithmetic = {.additions = 1, .exponentials = 1, .logarithms = 1, .comparisons = 1},
              .wide = true};
    case exp:
      return {.name = "exp",
              .formula = "y = exp(x)",
              .source = "torch.exp",
              .onnx = "Exp",
              .arithmetic = {.exponentials = 1},
              .saves = Saves::output,
              .wide = true};
    case sin:
      return {.name = "sin",
              .formula = "y = sin(x)",
              .source = "torch.sin",
              .onnx = "Sin",
              .arithmetic = {.circular = 1}};
    case cos:
      return {.name = "cos",
              .formula = "y = cos(x)",
              .source = "torch.cos",
              .onnx = "Cos",
              .arithmetic = {.circular = 1}};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::BinaryKind kind) {
  using enum op::BinaryKind;
  switch (kind) {
    case add:
      return {.name = "add",
              .formula = "y = a + b",
              .source = "torch.add",
              .onnx = "Add",
              .arithmetic = {.additions = 1},
              .saves = Saves::nothing};
    case sub:
      return {.name = "sub",
              .formula = "y = a - b",
              .source = "torch.sub",
              .onnx = "Sub",
              .arithmetic = {.additions = 1},
              .saves = Saves::nothing};
    case mul:
      return {.name = "mul",
              .formula = "y = a b",
              .source = "torch.mul",
              .onnx = "Mul",
              .arithmetic = {.multiplications = 1}};
    case div:
      return {.name = "div",
              .formula = "y = a / b",
              .source = "torch.div",
              .onnx = "Div",
              .arithmetic = {.divisions = 1}};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::ReduceKind kind) {
  using enum op::ReduceKind;
  switch (kind) {
    case mean:
      return {.name = "mean",
              .formula = "y = sum(x) / length",
              .source = "torch.mean",
              .onnx = "ReduceMean",
              .saves = Saves::nothing};
    case sum:
      return {.name = "sum",
              .formula = "y = sum(x)",
              .source = "torch.sum",
              .onnx = "ReduceSum",
              .saves = Saves::nothing,
              .wide = true};
    case max:
      return {.name = "max", .formula = "y = max(x)", .source = "torch.amax", .onnx = "ReduceMax"};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

std::string_view name_of(op::ActivationKind kind) { return traits(kind).name; }

std::string_view name_of(const Op& op) {
  const auto kind = kind_of(op);
  return kind ? kind->name : traits(op).name;
}

OpDefinition definition(const Op& op) {
  const auto kind = kind_of(op);
  return kind ? OpDefinition{kind->formula, kind->source}
              : OpDefinition{traits(op).formula, traits(op).source};
}

bool is_leaf(const Op& op) { return traits(op).fusion == FusionClass::leaf; }

}  // namespace vitals
