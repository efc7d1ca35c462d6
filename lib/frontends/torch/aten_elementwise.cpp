// Element by element: functions of one value, of two, comparisons, casts.
#include "core/error.h"
#include "frontends/torch/aten.h"

#include <limits>

namespace vitals::torch {
namespace {

using U = op::UnaryKind;
using B = op::BinaryKind;

template <U Kind>
std::vector<NodeId> unary(AtenContext& c) {
  return {c.add(op::Unary{Kind, 0, 0}, {c.tensor(0)})};
}

std::vector<NodeId> gelu(AtenContext& c) {
  const auto& approximate = c.argument(1, "approximate");
  const bool tanh = approximate.word == "tanh";
  return {c.add(op::Unary{tanh ? U::gelu_tanh : U::gelu, 0, 0}, {c.tensor(0)})};
}

// A function with up to two numbers behind its input.
template <U Kind>
std::vector<NodeId> with_numbers(AtenContext& c, double alpha, double beta) {
  return {c.add(op::Unary{Kind, c.number(1, alpha), c.number(2, beta)}, {c.tensor(0)})};
}
std::vector<NodeId> leaky_relu(AtenContext& c) { return with_numbers<U::leaky_relu>(c, 0.01, 0); }
std::vector<NodeId> elu(AtenContext& c) { return with_numbers<U::elu>(c, 1, 0); }
std::vector<NodeId> celu(AtenContext& c) { return with_numbers<U::celu>(c, 1, 0); }
std::vector<NodeId> hardtanh(AtenContext& c) { return with_numbers<U::clip>(c, -1, 1); }
std::vector<NodeId> clamp(AtenContext& c) {
  const auto infinity = std::numeric_limits<double>::infinity();
  return {c.add(op::Unary{U::clip, c.number(1, -infinity, "min"), c.number(2, infinity, "max")},
                {c.tensor(0)})};
}
std::vector<NodeId> clamp_max(AtenContext& c) {
  return {c.add(op::Unary{U::clip, -std::numeric_limits<double>::infinity(), c.number(1, 0)},
                {c.tensor(0)})};
}
std::vector<NodeId> hardsigmoid(AtenContext& c) {
  return {c.add(op::Unary{U::hard_sigmoid, 1.0 / 6, 0.5}, {c.tensor(0)})};
}
std::vector<NodeId> selu(AtenContext& c) {
  return {c.add(op::Unary{U::selu, 1.6732632423543772, 1.0507009873554805}, {c.tensor(0)})};
}

// With a tensor or with a number; a mask of dropout is no product.
template <B Kind>
std::vector<NodeId> binary(AtenContext& c) {
  const auto& other = c.argument(1, "other");
  const auto x = c.tensor(0);
  if (AtenContext::is_tensor(other)) {
    if constexpr (Kind == B::mul)
      if (const auto rate = c.mask_rate(other); rate > 0) return {c.add(op::Dropout{rate}, {x})};
    return {c.add(op::Binary{Kind}, {x, c.tensor(other)})};
  }
  const auto value = c.number(1, 1, "other");
  switch (Kind) {
    case B::mul:
      return {c.add(op::Scale{value}, {x})};
    case B::div:
      return {c.add(op::Scale{value == 0 ? 1.0 : 1.0 / value}, {x})};
    case B::add:
      return {c.add(op::Unary{U::shift, value, 0}, {x})};
    case B::sub:
      return {c.add(op::Unary{U::shift, -value, 0}, {x})};
    case B::pow:
      return {c.add(value == 2 ? op::Unary{U::square, 0, 0} : op::Unary{U::power, value, 0}, {x})};
    default:
      break;
  }
  // Comparisons with a number read it as a tensor without dimensions.
  const auto constant = c.add(op::Constant{{}, c.graph().nodes[x].dtype, {}}, {});
  return {c.add(op::Binary{Kind}, {x, constant})};
}

std::vector<NodeId> rsub(AtenContext& c) {
  const auto& other = c.argument(1, "other");
  if (AtenContext::is_tensor(other))
    return {c.add(op::Binary{B::sub}, {c.tensor(other), c.tensor(0)})};
  const auto negative = c.add(op::Unary{U::neg, 0, 0}, {c.tensor(0)});
  return {c.add(op::Unary{U::shift, c.number(1, 0, "other"), 0}, {negative})};
}

// x + value * a * b, with the products element by element
std::vector<NodeId> addcmul(AtenContext& c) {
  const auto product = c.add(op::Binary{B::mul}, {c.tensor(1), c.tensor(2)});
  return {c.add(op::Binary{B::add}, {c.tensor(0), product})};
}

std::vector<NodeId> where(AtenContext& c) {
  return {c.add(op::Where{}, {c.tensor(0), c.tensor(1), c.tensor(2)})};
}

std::vector<NodeId> masked_fill(AtenContext& c) {
  const auto& value = c.argument(2, "value");
  if (AtenContext::is_tensor(value))
    return {c.add(op::Where{}, {c.tensor(1), c.tensor(value), c.tensor(0)})};
  return {c.add(op::MaskedFill{c.number(2, 0, "value")}, {c.tensor(0), c.tensor(1)})};
}

// Another element type, or the same: then a copy.
std::vector<NodeId> to_copy(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dtype = c.result(0).dtype;
  if (c.graph().nodes[x].dtype != dtype) return {c.add(op::Cast{dtype, false}, {x})};
  return {c.add(op::Copy{}, {x})};
}

// Tensor.to and its kin give the tensor itself where nothing changes.
std::vector<NodeId> to(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dtype = c.result(0).dtype;
  if (c.graph().nodes[x].dtype == dtype) return {x};
  return {c.add(op::Cast{dtype, false}, {x})};
}

constexpr AtenEntry kElementwiseRules[] = {
    {"relu", unary<U::relu>},
    {"gelu", gelu},
    {"silu", unary<U::silu>},
    {"sigmoid", unary<U::sigmoid>},
    {"tanh", unary<U::tanh>},
    {"exp", unary<U::exp>},
    {"log", unary<U::log>},
    {"sqrt", unary<U::sqrt>},
    {"rsqrt", unary<U::rsqrt>},
    {"reciprocal", unary<U::reciprocal>},
    {"neg", unary<U::neg>},
    {"abs", unary<U::abs>},
    {"sin", unary<U::sin>},
    {"cos", unary<U::cos>},
    {"tan", unary<U::tan>},
    {"erf", unary<U::erf>},
    {"sign", unary<U::sign>},
    {"floor", unary<U::floor>},
    {"ceil", unary<U::ceil>},
    {"round", unary<U::round>},
    {"square", unary<U::square>},
    {"softplus", unary<U::softplus>},
    {"mish", unary<U::mish>},
    {"hardswish", unary<U::hard_swish>},
    {"log_sigmoid", unary<U::log_sigmoid>},
    {"log_sigmoid_forward", unary<U::log_sigmoid>},
    {"logical_not", unary<U::logical_not>},
    {"bitwise_not", unary<U::bitwise_not>},
    {"isnan", unary<U::is_nan>},
    {"isinf", unary<U::is_inf>},
    {"hardsigmoid", hardsigmoid},
    {"selu", selu},
    {"leaky_relu", leaky_relu},
    {"elu", elu},
    {"celu", celu},
    {"hardtanh", hardtanh},
    {"relu6", hardtanh},
    {"clamp", clamp},
    {"clamp_min", clamp},
    {"clamp_max", clamp_max},
    {"add", binary<B::add>},
    {"sub", binary<B::sub>},
    {"rsub", rsub},
    {"mul", binary<B::mul>},
    {"div", binary<B::div>},
    {"pow", binary<B::pow>},
    {"remainder", binary<B::mod>},
    {"fmod", binary<B::mod>},
    {"minimum", binary<B::min>},
    {"maximum", binary<B::max>},
    {"_prelu_kernel", binary<B::prelu>},
    {"eq", binary<B::equal>},
    {"ne", binary<B::not_equal>},
    {"lt", binary<B::less>},
    {"le", binary<B::less_equal>},
    {"gt", binary<B::greater>},
    {"ge", binary<B::greater_equal>},
    {"logical_and", binary<B::logical_and>},
    {"logical_or", binary<B::logical_or>},
    {"logical_xor", binary<B::logical_xor>},
    {"bitwise_and", binary<B::bitwise>},
    {"bitwise_or", binary<B::bitwise>},
    {"bitwise_xor", binary<B::bitwise>},
    {"__and__", binary<B::bitwise>},
    {"__or__", binary<B::bitwise>},
    {"addcmul", addcmul},
    {"where", where},
    {"masked_fill", masked_fill},
    {"_to_copy", to_copy},
    {"to", to},
    {"type_as", to},
};

}  // namespace

std::span<const AtenEntry> aten_elementwise() { return kElementwiseRules; }

}  // namespace vitals::torch
