// Reductions over axes, arg-reductions, softmaxes, cumulative sums, losses.
#include "frontends/onnx/rules.h"

#include <algorithm>
#include <array>
#include <optional>
#include <type_traits>

namespace vitals::onnx {
namespace {

// Axes as an input: of ReduceSum from opset 13 on, of the others from 18 on.
Extents reduced_axes(const OpContext& c) {
  if (c.find("axes") != nullptr) return c.list("axes");
  return c.has(1) ? c.integers(1) : Extents{};
}

// Of shape arithmetic, where all elements become one: exact, or nothing.
template <class T>
std::optional<T> reduced_number(std::string_view type, const std::vector<T>& numbers) {
  if (numbers.empty()) return std::nullopt;
  T result = numbers[0];
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    const T x = numbers[i];
    if (type == "ReduceMax")
      result = std::max(result, x);
    else if (type == "ReduceMin")
      result = std::min(result, x);
    else if constexpr (std::is_integral_v<T>) {
      const bool overflow = type == "ReduceProd" ? __builtin_mul_overflow(result, x, &result)
                                                 : __builtin_add_overflow(result, x, &result);
      if (overflow) return std::nullopt;
    } else {
      result = type == "ReduceProd" ? result * x : result + x;
    }
  }
  if (type == "ReduceMean") result = result / static_cast<T>(numbers.size());
  return result;
}

std::shared_ptr<const Numbers> reduced_constant(const OpContext& c) {
  const auto type = c.node().type;
  const auto exact = {"ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd", "ReduceMean"};
  if (std::find(exact.begin(), exact.end(), type) == exact.end()) return nullptr;
  const auto& n = *c.numbers(0);
  auto out = std::make_shared<Numbers>();
  out->real = n.real;
  if (n.real) {
    const auto x = reduced_number(type, n.reals);
    if (!x) return nullptr;
    out->reals = {*x};
  } else {
    const auto x = reduced_number(type, n.integers);
    if (!x) return nullptr;
    out->integers = {*x};
  }
  return out;
}

Inferred reduce(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto axes = reduced_axes(c);
  if (axes.empty() && c.integer("noop_with_empty_axes", 0) != 0) return same_as(c);
  std::vector<bool> gone(from.size(), axes.empty());
  for (const auto a : axes) gone[c.axis(a, from.size())] = true;
  const bool keep = c.integer("keepdims", 1) != 0;
  Extents to;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (!gone[i])
      to.push_back(from[i]);
    else if (keep)
      to.push_back(1);
  }
  auto value = tensor(c.type(0), std::move(to));
  const bool whole = std::find(gone.begin(), gone.end(), false) == gone.end();
  if (whole && c.in(0).initializer == nullptr && c.numbers(0) != nullptr)
    value.constant = reduced_constant(c);
  return one(std::move(value));
}

Inferred arg_reduce(const OpContext& c) {
  Extents to = c.dims(0);
  const auto axis = c.axis(c.integer("axis", 0), to.size());
  if (c.integer("keepdims", 1) != 0)
    to[axis] = 1;
  else
    to.erase(to.begin() + static_cast<std::ptrdiff_t>(axis));
  return one(tensor(DataType::int64, std::move(to)));
}

Inferred along_axis(const OpContext& c) { return same_as(c); }

// scores [N, C, ...], labels [N, ...]: a scalar, or one number each label.
Inferred loss(const OpContext& c) {
  const bool each = c.text("reduction", "mean") == "none";
  auto r = one(tensor(c.type(0), each ? c.dims(1) : Extents{}));
  r.outputs.push_back(tensor(c.type(0), c.dims(0)));  // log probabilities, where there are any
  return r;
}

constexpr auto kRules = std::to_array<RuleEntry>({
    {"ArgMax", arg_reduce},
    {"ArgMin", arg_reduce},
    {"CumProd", along_axis},
    {"CumSum", along_axis},
    {"Hardmax", along_axis},
    {"LogSoftmax", along_axis},
    {"NegativeLogLikelihoodLoss", loss},
    {"ReduceL1", reduce},
    {"ReduceL2", reduce},
    {"ReduceLogSum", reduce},
    {"ReduceLogSumExp", reduce},
    {"ReduceMax", reduce},
    {"ReduceMean", reduce},
    {"ReduceMin", reduce},
    {"ReduceProd", reduce},
    {"ReduceSum", reduce},
    {"ReduceSumSquare", reduce},
    {"Softmax", along_axis},
    {"SoftmaxCrossEntropyLoss", loss},
});

}  // namespace

RuleTable reduction_rules() { return kRules; }

}  // namespace vitals::onnx
