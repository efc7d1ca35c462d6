// Ops that make tensors from sizes: constants, ranges, random numbers, windows, transforms.
#include "frontends/onnx/read.h"
#include "frontends/onnx/rules.h"

#include <array>
#include <cmath>

namespace vitals::onnx {
namespace {

Value of_reals(Extents dims, std::vector<double> reals) {
  auto value = tensor(DataType::float32, std::move(dims));
  auto numbers = std::make_shared<Numbers>();
  numbers->real = true;
  numbers->reals = std::move(reals);
  value.constant = std::move(numbers);
  return value;
}

Inferred constant(const OpContext& c) {
  if (const auto* a = c.find("value"); a != nullptr && a->tensor != nullptr) {
    auto value = tensor(a->tensor->type, a->tensor->dims);
    if (auto numbers = values_of(c.model(), *a->tensor, kMaxConstant))
      value.constant = std::make_shared<Numbers>(std::move(*numbers));
    return one(std::move(value));
  }
  if (const auto* a = c.find("sparse_value"); a != nullptr && a->tensor != nullptr)
    return one(tensor(a->tensor->type, a->tensor->dims));
  if (const auto* a = c.find("value_int")) return one(of_integers(DataType::int64, {}, {a->i}));
  if (const auto* a = c.find("value_float")) return one(of_reals({}, {a->f}));
  if (const auto* a = c.find("value_ints"))
    return one(of_integers(DataType::int64, {static_cast<std::int64_t>(a->ints.size())}, a->ints));
  if (const auto* a = c.find("value_floats"))
    return one(of_reals({static_cast<std::int64_t>(a->floats.size())}, a->floats));
  if (const auto* a = c.find("value_strings"))
    return one(tensor(DataType::string, {static_cast<std::int64_t>(a->strings.size())}));
  if (c.find("value_string") != nullptr) return one(tensor(DataType::string, {}));
  fail("no value is given");
}

Inferred constant_of_shape(const OpContext& c) {
  const auto dims = c.integers(0);
  Numbers fill;
  fill.real = true;
  fill.reals = {0};
  auto type = DataType::float32;
  if (const auto* a = c.find("value"); a != nullptr && a->tensor != nullptr) {
    type = a->tensor->type;
    auto read = values_of(c.model(), *a->tensor, 1);
    if (!read) return one(tensor(type, dims));
    fill = std::move(*read);
  }
  auto value = tensor(type, dims);
  if (numel(dims) <= Count(kMaxConstant) && fill.size() == 1) {
    const auto n = static_cast<std::size_t>(numel(dims).value());
    auto out = std::make_shared<Numbers>();
    out->real = fill.real;
    if (fill.real)
      out->reals.assign(n, fill.reals[0]);
    else
      out->integers.assign(n, fill.integers[0]);
    value.constant = std::move(out);
  }
  return one(std::move(value));
}

Inferred range(const OpContext& c) {
  const auto* start = c.numbers(0);
  const auto* limit = c.numbers(1);
  const auto* delta = c.numbers(2);
  if (start == nullptr || limit == nullptr || delta == nullptr || start->size() != 1 ||
      limit->size() != 1 || delta->size() != 1)
    throw UnknownShape{};
  auto real = [](const Numbers& n) {
    return n.real ? n.reals[0] : static_cast<double>(n.integers[0]);
  };
  if (real(*delta) == 0) fail("the step of a range is 0");
  const double n = std::max(std::ceil((real(*limit) - real(*start)) / real(*delta)), 0.0);
  if (!(n < 1e15)) fail("a range of {} numbers is not possible", n);
  const auto count = static_cast<std::int64_t>(n);
  auto value = tensor(c.type(0), {count});
  if (!start->real && !delta->real && n <= static_cast<double>(kMaxConstant)) {
    std::vector<std::int64_t> integers;
    for (std::int64_t i = 0; i < count; ++i)
      integers.push_back(start->integers[0] + i * delta->integers[0]);
    return one(of_integers(value.type, {count}, std::move(integers)));
  }
  return one(std::move(value));
}

Inferred random(const OpContext& c) {
  return one(tensor(static_cast<DataType>(c.integer("dtype", 1)), c.list("shape")));
}

Inferred random_like(const OpContext& c) {
  const auto stated = static_cast<DataType>(c.integer("dtype", 0));
  return one(tensor(stated == DataType::undefined ? c.type(0) : stated, c.dims(0)));
}

Inferred multinomial(const OpContext& c) {
  return one(tensor(static_cast<DataType>(c.integer("dtype", 6)),
                    {c.dims(0).at(0), c.integer("sample_size", 1)}));
}

Inferred window(const OpContext& c) {
  const auto size = c.integers(0);
  return one(tensor(static_cast<DataType>(c.integer("output_datatype", 1)), {size.at(0)}));
}

Inferred mel_weights(const OpContext& c) {
  const auto bins = c.integers(0).at(0);
  const auto length = c.integers(1).at(0);
  return one(
      tensor(static_cast<DataType>(c.integer("output_datatype", 1)), {length / 2 + 1, bins}));
}

// A transform along one axis of [batch, ..., 1 or 2], real and imaginary parts last.
Inferred dft(const OpContext& c) {
  Extents to = c.dims(0);
  if (to.size() < 2) fail("the input {} has no last axis of parts", to_string(to));
  std::int64_t at = c.integer("axis", 1);
  if (c.opset() >= 20) at = c.has(2) ? c.integers(2).at(0) : -2;
  const auto axis = c.axis(at, to.size());
  if (c.has(1)) to[axis] = c.integers(1).at(0);
  const bool inverse = c.integer("inverse", 0) != 0;
  if (c.integer("onesided", 0) != 0 && !inverse) to[axis] = to[axis] / 2 + 1;
  to.back() = 2;
  return one(tensor(c.type(0), std::move(to)));
}

// signal [batch, length, 1]: [batch, frames, bins, 2].
Inferred stft(const OpContext& c) {
  const auto& signal = c.dims(0);
  const auto step = c.integers(1).at(0);
  const auto length = c.has(3) ? c.integers(3).at(0) : c.dims(2).at(0);
  if (step < 1 || signal.size() < 2 || signal[1] < length)
    fail("frames of {} every {} do not fit {}", length, step, to_string(signal));
  const auto bins = c.integer("onesided", 1) != 0 ? length / 2 + 1 : length;
  return one(tensor(c.type(0), {signal[0], (signal[1] - length) / step + 1, bins, 2}));
}

constexpr auto kRules = std::to_array<RuleEntry>({
    {"BlackmanWindow", window},
    {"Constant", constant},
    {"ConstantOfShape", constant_of_shape},
    {"DFT", dft},
    {"EyeLike", random_like},
    {"HammingWindow", window},
    {"HannWindow", window},
    {"MelWeightMatrix", mel_weights},
    {"Multinomial", multinomial},
    {"RandomNormal", random},
    {"RandomNormalLike", random_like},
    {"RandomUniform", random},
    {"RandomUniformLike", random_like},
    {"Range", range},
    {"STFT", stft},
});

}  // namespace

RuleTable generator_rules() { return kRules; }

}  // namespace vitals::onnx
