// Ops of one element each, with numpy's broadcasting, and their arithmetic on constants.
#include "frontends/onnx/rules.h"

#include <array>
#include <cmath>
#include <functional>

namespace vitals::onnx {
namespace {

using Binary = double (*)(double, double);
using IntegerBinary = std::int64_t (*)(std::int64_t, std::int64_t);
using Unary = double (*)(double);

double rounded_as(DataType type, double x) {
  return type == DataType::float32 ? static_cast<double>(static_cast<float>(x)) : x;
}

// Where element i of a result of shape `to` stands in an operand of shape `from`.
class Broadcaster {
 public:
  Broadcaster(const Extents& from, const Extents& to) : to_(to), strides_(to.size(), 0) {
    std::int64_t stride = 1;
    for (std::size_t i = from.size(); i-- > 0;) {
      const auto at = to.size() - from.size() + i;
      strides_[at] = from[i] == 1 ? 0 : stride;
      stride *= from[i];
    }
  }
  [[nodiscard]] std::size_t operator()(std::size_t index) const {
    std::int64_t position = 0;
    auto rest = static_cast<std::int64_t>(index);
    for (std::size_t i = to_.size(); i-- > 0;) {
      position += rest % to_[i] * strides_[i];
      rest /= to_[i];
    }
    return static_cast<std::size_t>(position);
  }

 private:
  const Extents& to_;
  std::vector<std::int64_t> strides_;
};

double real_at(const Numbers& n, std::size_t i) {
  return n.real ? n.reals[i] : static_cast<double>(n.integers[i]);
}

// Integers wrap, as those of a computer do.
std::int64_t wrap(std::uint64_t x) { return static_cast<std::int64_t>(x); }
std::uint64_t bits(std::int64_t x) { return static_cast<std::uint64_t>(x); }
std::int64_t add_i(std::int64_t a, std::int64_t b) { return wrap(bits(a) + bits(b)); }
std::int64_t sub_i(std::int64_t a, std::int64_t b) { return wrap(bits(a) - bits(b)); }
std::int64_t mul_i(std::int64_t a, std::int64_t b) { return wrap(bits(a) * bits(b)); }
std::int64_t div_i(std::int64_t a, std::int64_t b) {
  if (b == 0) fail("division by zero");
  return b == -1 ? sub_i(0, a) : a / b;
}
// Python's: the sign of the divisor.
std::int64_t mod_i(std::int64_t a, std::int64_t b) {
  if (b == 0) fail("division by zero");
  if (b == -1) return 0;
  const auto r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
std::int64_t pow_i(std::int64_t a, std::int64_t b) {
  const double p = std::pow(static_cast<double>(a), static_cast<double>(b));
  if (!(std::abs(p) < 9.2e18)) return 0;
  return static_cast<std::int64_t>(p);
}

struct Arithmetic {
  Binary real = nullptr;
  IntegerBinary integer = nullptr;
  bool compares = false;  // the result is a bool
};

Numbers computed(const Arithmetic& op, const Numbers& a, const Numbers& b, const Extents& from_a,
                 const Extents& from_b, const Extents& to, DataType type) {
  const Broadcaster at_a(from_a, to);
  const Broadcaster at_b(from_b, to);
  const auto n = static_cast<std::size_t>(numel(to).value());
  Numbers out;
  out.real = (a.real || b.real) && !op.compares;
  for (std::size_t i = 0; i < n; ++i) {
    const auto x = at_a(i);
    const auto y = at_b(i);
    if (!a.real && !b.real)
      out.integers.push_back(op.integer(a.integers[x], b.integers[y]));
    else if (out.real)
      out.reals.push_back(rounded_as(type, op.real(real_at(a, x), real_at(b, y))));
    else
      out.integers.push_back(op.real(real_at(a, x), real_at(b, y)) != 0 ? 1 : 0);
  }
  return out;
}

// Opsets before 7 broadcast where they are told to, from an axis on.
Extents operand(const OpContext& c, std::size_t i) {
  auto dims = c.dims(i);
  if (i == 1 && c.opset() < 7 && c.find("axis") != nullptr) {
    const auto axis = c.axis(c.integer("axis", 0), c.rank(0));
    while (dims.size() + axis < c.rank(0)) dims.push_back(1);
  }
  return dims;
}

Inferred arithmetic(const OpContext& c, const Arithmetic& op) {
  const auto a = operand(c, 0);
  const auto b = operand(c, 1);
  auto value = tensor(op.compares ? DataType::boolean : c.type(0), broadcast(a, b));
  if (c.foldable() && numel(value.dims) <= Count(kMaxConstant))
    value.constant = std::make_shared<Numbers>(
        computed(op, *c.numbers(0), *c.numbers(1), a, b, value.dims, value.type));
  return one(std::move(value));
}

template <Binary Real, IntegerBinary Integer>
Inferred binary(const OpContext& c) {
  return arithmetic(c, {Real, Integer, false});
}

template <Binary Real, IntegerBinary Integer>
Inferred comparison(const OpContext& c) {
  return arithmetic(c, {Real, Integer, true});
}

double add_r(double a, double b) { return a + b; }
double sub_r(double a, double b) { return a - b; }
double mul_r(double a, double b) { return a * b; }
double div_r(double a, double b) { return a / b; }
double mod_r(double a, double b) { return std::fmod(a, b); }
double pow_r(double a, double b) { return std::pow(a, b); }
double min_r(double a, double b) { return std::min(a, b); }
double max_r(double a, double b) { return std::max(a, b); }
std::int64_t min_i(std::int64_t a, std::int64_t b) { return std::min(a, b); }
std::int64_t max_i(std::int64_t a, std::int64_t b) { return std::max(a, b); }
double equal_r(double a, double b) { return a == b ? 1 : 0; }
double less_r(double a, double b) { return a < b ? 1 : 0; }
double greater_r(double a, double b) { return a > b ? 1 : 0; }
double less_equal_r(double a, double b) { return a <= b ? 1 : 0; }
double greater_equal_r(double a, double b) { return a >= b ? 1 : 0; }
double and_r(double a, double b) { return a != 0 && b != 0 ? 1 : 0; }
double or_r(double a, double b) { return a != 0 || b != 0 ? 1 : 0; }
double xor_r(double a, double b) { return (a != 0) != (b != 0) ? 1 : 0; }
std::int64_t equal_i(std::int64_t a, std::int64_t b) { return a == b ? 1 : 0; }
std::int64_t less_i(std::int64_t a, std::int64_t b) { return a < b ? 1 : 0; }
std::int64_t greater_i(std::int64_t a, std::int64_t b) { return a > b ? 1 : 0; }
std::int64_t less_equal_i(std::int64_t a, std::int64_t b) { return a <= b ? 1 : 0; }
std::int64_t greater_equal_i(std::int64_t a, std::int64_t b) { return a >= b ? 1 : 0; }
std::int64_t and_i(std::int64_t a, std::int64_t b) { return a != 0 && b != 0 ? 1 : 0; }
std::int64_t or_i(std::int64_t a, std::int64_t b) { return a != 0 || b != 0 ? 1 : 0; }
std::int64_t xor_i(std::int64_t a, std::int64_t b) { return (a != 0) != (b != 0) ? 1 : 0; }

// Any number of inputs: Sum, Mean, and Min and Max, which also fold.
Inferred variadic(const OpContext& c) {
  Extents dims = c.dims(0);
  for (std::size_t i = 1; i < c.count(); ++i) dims = broadcast(dims, c.dims(i));
  return one(tensor(c.type(0), std::move(dims)));
}

template <Binary Real, IntegerBinary Integer>
Inferred extreme(const OpContext& c) {
  if (c.count() == 2) return arithmetic(c, {Real, Integer, false});
  auto result = variadic(c);
  if (c.count() == 1 && c.foldable()) result.outputs[0].constant = c.in(0).constant;
  return result;
}

std::int64_t to_integer(DataType type, double x) {
  if (type == DataType::boolean) return x != 0 ? 1 : 0;
  constexpr double kLimit = 9.2e18;
  if (std::isnan(x)) return 0;
  if (x >= kLimit) return std::numeric_limits<std::int64_t>::max();
  if (x <= -kLimit) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(x);
}

std::int64_t narrowed(DataType type, std::int64_t x) {
  switch (type) {
    case DataType::boolean:
      return x != 0 ? 1 : 0;
    case DataType::int32:
      return static_cast<std::int32_t>(x);
    case DataType::uint8:
      return static_cast<std::uint8_t>(x);
    case DataType::int8:
      return static_cast<std::int8_t>(x);
    default:
      return x;
  }
}

Inferred converted(const OpContext& c, DataType type) {
  auto value = tensor(type, c.dims(0));
  if (!c.foldable() || type == DataType::string) return one(std::move(value));
  const auto& from = *c.numbers(0);
  auto out = std::make_shared<Numbers>();
  out->real = is_real(type);
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (out->real)
      out->reals.push_back(rounded_as(type, real_at(from, i)));
    else
      out->integers.push_back(from.real ? to_integer(type, from.reals[i])
                                        : narrowed(type, from.integers[i]));
  }
  value.constant = std::move(out);
  return one(std::move(value));
}

DataType type_named(std::string_view name) {
  for (std::int32_t i = 1; i < 24; ++i) {
    const auto type = static_cast<DataType>(i);
    // Opsets before 6 wrote "FLOAT" and "DOUBLE".
    if (to_string(type) == name || (name == "FLOAT" && i == 1) || (name == "DOUBLE" && i == 11) ||
        (name == "INT64" && i == 7) || (name == "INT32" && i == 6) || (name == "BOOL" && i == 9))
      return type;
  }
  return DataType::undefined;
}

Inferred cast(const OpContext& c) {
  const auto* to = c.find("to");
  if (to == nullptr) fail("attribute 'to' is missing");
  return converted(c, to->s.empty() ? static_cast<DataType>(to->i) : type_named(to->s));
}

Inferred cast_like(const OpContext& c) {
  auto value = tensor(c.type(1), c.dims(0));
  return one(std::move(value));
}

template <Unary F>
Inferred unary(const OpContext& c) {
  auto value = tensor(c.type(0), c.dims(0));
  if (c.foldable()) {
    const auto& from = *c.numbers(0);
    auto out = std::make_shared<Numbers>();
    out->real = from.real;
    for (const auto x : from.reals) out->reals.push_back(rounded_as(value.type, F(x)));
    for (const auto x : from.integers)
      out->integers.push_back(to_integer(value.type, F(static_cast<double>(x))));
    value.constant = std::move(out);
  }
  return one(std::move(value));
}

double negated(double x) { return -x; }
double not_r(double x) { return x == 0 ? 1 : 0; }
double sign_r(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
double round_r(double x) { return std::nearbyint(x); }
double reciprocal_r(double x) { return 1 / x; }
double relu_r(double x) { return std::max(x, 0.0); }
double floor_r(double x) { return std::floor(x); }
double ceil_r(double x) { return std::ceil(x); }
double sqrt_r(double x) { return std::sqrt(x); }
double abs_r(double x) { return std::abs(x); }
double exp_r(double x) { return std::exp(x); }
double log_r(double x) { return std::log(x); }

// What shape arithmetic has no use for.
Inferred pointwise(const OpContext& c) { return same_as(c); }
Inferred predicate(const OpContext& c) { return one(tensor(DataType::boolean, c.dims(0))); }

Inferred prelu(const OpContext& c) { return same_as(c); }

Inferred where(const OpContext& c) {
  const auto dims = broadcast(broadcast(c.dims(0), c.dims(1)), c.dims(2));
  auto value = tensor(c.type(1), dims);
  if (!c.foldable() || numel(dims) > Count(kMaxConstant)) return one(std::move(value));
  const auto& chosen = *c.numbers(0);
  const auto& a = *c.numbers(1);
  const auto& b = *c.numbers(2);
  if (a.real != b.real) return one(std::move(value));
  const Broadcaster at(c.dims(0), dims);
  const Broadcaster at_a(c.dims(1), dims);
  const Broadcaster at_b(c.dims(2), dims);
  auto out = std::make_shared<Numbers>();
  out->real = a.real;
  const auto n = static_cast<std::size_t>(numel(dims).value());
  for (std::size_t i = 0; i < n; ++i) {
    const bool first = chosen.integers[at(i)] != 0;
    const auto& from = first ? a : b;
    const auto index = first ? at_a(i) : at_b(i);
    if (out->real)
      out->reals.push_back(from.reals[index]);
    else
      out->integers.push_back(from.integers[index]);
  }
  value.constant = std::move(out);
  return one(std::move(value));
}

Inferred clip(const OpContext& c) {
  auto value = tensor(c.type(0), c.dims(0));
  if (c.opset() < 11 || !c.foldable()) return one(std::move(value));
  auto out = std::make_shared<Numbers>(*c.numbers(0));
  const auto* low = c.numbers(1);
  const auto* high = c.numbers(2);
  for (auto& x : out->reals) {
    if (low != nullptr && low->size() == 1) x = std::max(x, real_at(*low, 0));
    if (high != nullptr && high->size() == 1) x = std::min(x, real_at(*high, 0));
  }
  for (auto& x : out->integers) {
    if (low != nullptr && low->integers.size() == 1) x = std::max(x, low->integers[0]);
    if (high != nullptr && high->integers.size() == 1) x = std::min(x, high->integers[0]);
  }
  value.constant = std::move(out);
  return one(std::move(value));
}

Inferred dropout(const OpContext& c) {
  auto result = same_as(c);
  result.outputs.push_back(tensor(DataType::boolean, c.dims(0)));
  return result;
}

// Of the type of the zero point, or of the attribute output_dtype (opset 21).
Inferred quantize(const OpContext& c) {
  auto type = c.has(2) ? c.type(2) : DataType::uint8;
  if (const auto stated = c.integer("output_dtype", 0); stated != 0)
    type = static_cast<DataType>(stated);
  return one(tensor(type, c.dims(0)));
}

Inferred dequantize(const OpContext& c) { return one(tensor(c.type(1), c.dims(0))); }

Inferred dynamic_quantize(const OpContext& c) {
  Inferred r = one(tensor(DataType::uint8, c.dims(0)));
  r.outputs.push_back(tensor(DataType::float32, {}));
  r.outputs.push_back(tensor(DataType::uint8, {}));
  return r;
}

constexpr auto kRules = std::to_array<RuleEntry>({
    {"Abs", unary<abs_r>},
    {"Acos", pointwise},
    {"Acosh", pointwise},
    {"Add", binary<add_r, add_i>},
    {"And", comparison<and_r, and_i>},
    {"Asin", pointwise},
    {"Asinh", pointwise},
    {"Atan", pointwise},
    {"Atanh", pointwise},
    {"Bernoulli", pointwise},
    {"BitShift", variadic},
    {"BitwiseAnd", variadic},
    {"BitwiseNot", pointwise},
    {"BitwiseOr", variadic},
    {"BitwiseXor", variadic},
    {"Cast", cast},
    {"CastLike", cast_like},
    {"Ceil", unary<ceil_r>},
    {"Celu", pointwise},
    {"Clip", clip},
    {"Cos", pointwise},
    {"Cosh", pointwise},
    {"DequantizeLinear", dequantize},
    {"Div", binary<div_r, div_i>},
    {"Dropout", dropout},
    {"DynamicQuantizeLinear", dynamic_quantize},
    {"Elu", pointwise},
    {"Equal", comparison<equal_r, equal_i>},
    {"Erf", pointwise},
    {"Exp", unary<exp_r>},
    {"Floor", unary<floor_r>},
    {"Gelu", pointwise},
    {"Greater", comparison<greater_r, greater_i>},
    {"GreaterOrEqual", comparison<greater_equal_r, greater_equal_i>},
    {"HardSigmoid", pointwise},
    {"HardSwish", pointwise},
    {"IsInf", predicate},
    {"IsNaN", predicate},
    {"LeakyRelu", pointwise},
    {"Less", comparison<less_r, less_i>},
    {"LessOrEqual", comparison<less_equal_r, less_equal_i>},
    {"Log", unary<log_r>},
    {"Max", extreme<max_r, max_i>},
    {"Mean", variadic},
    {"Min", extreme<min_r, min_i>},
    {"Mish", pointwise},
    {"Mod", binary<mod_r, mod_i>},
    {"Mul", binary<mul_r, mul_i>},
    {"Neg", unary<negated>},
    {"Not", unary<not_r>},
    {"Or", comparison<or_r, or_i>},
    {"PRelu", prelu},
    {"Pow", binary<pow_r, pow_i>},
    {"QuantizeLinear", quantize},
    {"Reciprocal", unary<reciprocal_r>},
    {"Relu", unary<relu_r>},
    {"Round", unary<round_r>},
    {"Selu", pointwise},
    {"Shrink", pointwise},
    {"Sigmoid", pointwise},
    {"Sign", unary<sign_r>},
    {"Sin", pointwise},
    {"Sinh", pointwise},
    {"Softplus", pointwise},
    {"Softsign", pointwise},
    {"Sqrt", unary<sqrt_r>},
    {"Sub", binary<sub_r, sub_i>},
    {"Sum", variadic},
    {"Swish", pointwise},
    {"Tan", pointwise},
    {"Tanh", pointwise},
    {"ThresholdedRelu", pointwise},
    {"Where", where},
    {"Xor", comparison<xor_r, xor_i>},
});

}  // namespace

RuleTable elementwise_rules() { return kRules; }

}  // namespace vitals::onnx
