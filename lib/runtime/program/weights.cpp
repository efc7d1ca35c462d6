#include "runtime/program/weights.h"

#include "core/bit_cast.h"
#include "core/error.h"
#include "runtime/forward.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <memory>

namespace vitals {
namespace {

// Rows of an element's bytes, little-endian wherever this runs.
template <class Bits>
Bits bits_at(const std::byte* bytes) {
  Bits bits = 0;
  for (std::size_t i = 0; i < sizeof(Bits); ++i)
    bits = static_cast<Bits>(bits | static_cast<Bits>(static_cast<Bits>(bytes[i]) << (8 * i)));
  return bits;
}

// IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits.
float from_half(std::uint16_t half) {
  const auto fraction = static_cast<float>(half & 0x3ffU);
  const int exponent = (half >> 10U) & 0x1f;
  const float sign = (half & 0x8000U) != 0 ? -1.0F : 1.0F;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : NAN;
  return sign * std::ldexp(1024.0F + fraction, exponent - 25);
}

float value_at(const std::byte* bytes, DType type) {
  switch (type) {
    case DType::f16:
      return from_half(bits_at<std::uint16_t>(bytes));
    case DType::bf16:
      return bit_cast<float>(static_cast<std::uint32_t>(bits_at<std::uint16_t>(bytes)) << 16U);
    case DType::f64:
      return static_cast<float>(bit_cast<double>(bits_at<std::uint64_t>(bytes)));
    default:
      assert(type == DType::f32);
      return bit_cast<float>(bits_at<std::uint32_t>(bytes));
  }
}

// A finite number of F64 may be too large for fp32, in which vitals computes.
void require_in_range(std::span<const std::byte> bytes, std::span<const float> values,
                      const Shape& shape) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    const auto stored = bit_cast<double>(bits_at<std::uint64_t>(&bytes[8 * i]));
    if (std::isfinite(stored))
      fail("element {} is {}, which fp32 cannot hold (its largest number is {})",
           place_of(i, shape), stored, std::numeric_limits<float>::max());
  }
}

DType floating_type(const StoredTensor& tensor) {
  constexpr std::array kRead = {DType::f16, DType::bf16, DType::f32, DType::f64};
  const auto type = tensor.type->dtype;
  if (!type || std::find(kRead.begin(), kRead.end(), *type) == kRead.end())
    fail("its values are of the type {}; vitals computes with F32, F16, BF16 and F64",
         tensor.type->name);
  return *type;
}

Shape shape_of(const StoredTensor& tensor) {
  Shape shape;
  for (auto d : tensor.shape) shape.push_back(d);
  return shape;
}

std::vector<float> values_of(TensorReader& reader, const StoredTensor& tensor) {
  const auto type = floating_type(tensor);
  std::vector<std::byte> bytes(tensor.bytes().value());
  reader.read(tensor, bytes);
  const auto size = tensor.type->bits / 8;
  std::vector<float> values(tensor.elements().value());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = value_at(&bytes[i * size], type);
  if (type == DType::f64) require_in_range(bytes, values, shape_of(tensor));
  require_finite(values, shape_of(tensor));
  return values;
}

// The side of the square that `count` patches fill.
std::optional<std::uint64_t> side_of(std::uint64_t count) {
  const auto side = static_cast<std::uint64_t>(std::llround(std::sqrt(static_cast<double>(count))));
  return side * side == count ? std::optional(side) : std::nullopt;
}

const Node* patch_conv(const Graph& graph) {
  const auto it = std::find_if(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) {
    return std::holds_alternative<op::Conv>(n.op);
  });
  return it == graph.nodes.end() || it->shape.rank() != 4 ? nullptr : &*it;
}

// " They were made for --img-size 384.", where a square image explains the number of tokens.
std::string made_for(const Graph& graph, std::uint64_t expected, std::uint64_t found) {
  const auto* conv = patch_conv(graph);
  if (conv == nullptr) return "";
  const auto patches = conv->shape[2] * conv->shape[3];
  if (expected < patches || found <= expected - patches) return "";
  const auto side = side_of(found - (expected - patches));
  if (!side) return "";
  const auto patch = std::get<op::Conv>(conv->op).stride[0];
  return fmt::format(" They were made for --img-size {}.", *side * patch);
}

}  // namespace

std::vector<float> read_values(TensorReader& reader, const Checkpoint& checkpoint,
                               const StoredTensor& tensor) {
  try {
    return values_of(reader, tensor);
  } catch (const Error& error) {
    fail("{}: the tensor '{}': {}", checkpoint.files[tensor.file].path, tensor.name, error.what());
  }
}

ParamSource stored_params(const Checkpoint& checkpoint, const CheckpointFit& fit) {
  assert(fit.fits());
  auto reader = std::make_shared<TensorReader>(checkpoint);
  return [&checkpoint, &fit, reader](ParamId id, std::span<float> values) {
    auto rest = values;
    for (const auto* part : fit.parts[id]) {
      const auto stored = read_values(*reader, checkpoint, *part);
      assert(stored.size() <= rest.size());
      std::copy(stored.begin(), stored.end(), rest.begin());
      rest = rest.subspan(stored.size());
    }
    assert(rest.empty());
  };
}

std::string position_advice(const Graph& graph, const CheckpointFit& fit) {
  if (fit.mismatched.size() != 1 || !fit.missing.empty() || !fit.unexpected.empty()) return "";
  const auto& [expected, found] = fit.mismatched.front();
  const bool positions = expected.name == "pos_embed" || expected.name.ends_with(".pos_embed");
  if (!positions || expected.shape.rank() != 3 || found->shape.size() != 3) return "";
  if (expected.shape[2] != found->shape[2] || expected.shape[1] == found->shape[1]) return "";
  return fmt::format(
      "these weights have positions for {} tokens, the model has {}: they belong to another image "
      "size.{} vitals does not interpolate positions",
      found->shape[1], expected.shape[1], made_for(graph, expected.shape[1], found->shape[1]));
}

}  // namespace vitals
