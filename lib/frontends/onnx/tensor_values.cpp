// Values of small tensors: the typed fields of a TensorProto, or its raw bytes.
#include "core/bit_cast.h"
#include "core/count.h"
#include "frontends/onnx/read.h"
#include "frontends/onnx/wire.h"

#include <array>
#include <cmath>
#include <limits>

namespace vitals::onnx {
namespace {

double half(std::uint16_t bits) {
  const int exponent = (bits >> 10U) & 0x1FU;
  const double fraction = bits & 0x3FFU;
  const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
  if (exponent == 31)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024.0 + fraction, exponent - 25);
}

double bfloat(std::uint16_t bits) {
  return bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

// Bytes of an element in raw data; 0: a type without plain values (strings, 4 bits, complex).
std::size_t raw_size(DataType type) {
  switch (type) {
    case DataType::uint8:
    case DataType::int8:
    case DataType::boolean:
      return 1;
    case DataType::uint16:
    case DataType::int16:
    case DataType::float16:
    case DataType::bfloat16:
      return 2;
    case DataType::float32:
    case DataType::int32:
    case DataType::uint32:
      return 4;
    case DataType::int64:
    case DataType::uint64:
    case DataType::float64:
      return 8;
    default:
      return 0;
  }
}

std::uint64_t raw_bits(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

std::int64_t integer_from(DataType type, std::uint64_t bits) {
  switch (type) {
    case DataType::int8:
      return static_cast<std::int8_t>(bits);
    case DataType::int16:
      return static_cast<std::int16_t>(bits);
    case DataType::int32:
      return static_cast<std::int32_t>(bits);
    default:
      return static_cast<std::int64_t>(bits);
  }
}

double real_from(DataType type, std::uint64_t bits) {
  switch (type) {
    case DataType::float16:
      return half(static_cast<std::uint16_t>(bits));
    case DataType::bfloat16:
      return bfloat(static_cast<std::uint16_t>(bits));
    case DataType::float32:
      return bit_cast<float>(static_cast<std::uint32_t>(bits));
    default:
      return bit_cast<double>(bits);
  }
}

void append_raw(DataType type, std::string_view raw, Numbers& out) {
  const auto size = raw_size(type);
  for (std::size_t i = 0; i + size <= raw.size(); i += size) {
    const auto bits = raw_bits(raw.substr(i, size));
    if (out.real)
      out.reals.push_back(real_from(type, bits));
    else
      out.integers.push_back(integer_from(type, bits));
  }
}

// int32_data holds 16-bit floats as their bits.
void append_small(DataType type, const WireField& field, Numbers& out) {
  std::vector<std::int64_t> values;
  append_integers(field, values);
  for (const auto v : values) {
    if (out.real)
      out.reals.push_back(real_from(type, static_cast<std::uint64_t>(v)));
    else
      out.integers.push_back(integer_from(type, static_cast<std::uint64_t>(v)));
  }
}

}  // namespace

std::optional<Numbers> values_of(const Model& model, const Tensor& tensor, std::size_t most) {
  if (tensor.external || raw_size(tensor.type) == 0) return std::nullopt;
  Count elements = 1;
  for (const auto d : tensor.dims) elements *= static_cast<std::uint64_t>(d);
  if (elements > Count(most)) return std::nullopt;
  Numbers out;
  out.real = is_real(tensor.type);
  WireReader reader(model.file, tensor.message);
  WireField field;
  while (reader.next(field)) {
    if (field.number == 4 && out.real) append_floats(field, out.reals);
    if (field.number == 5) append_small(tensor.type, field, out);
    if ((field.number == 7 || field.number == 11) && !out.real)
      append_integers(field, out.integers);
    if (field.number == 9) append_raw(tensor.type, bytes_of(field), out);
    if (field.number == 10 && out.real) append_doubles(field, out.reals);
  }
  if (Count(out.size()) != elements)
    fail("tensor '{}': holds {} values, but its dimensions ask for {}", tensor.name, out.size(),
         elements);
  return out;
}

bool is_real(DataType type) {
  switch (type) {
    case DataType::float32:
    case DataType::float64:
    case DataType::float16:
    case DataType::bfloat16:
    case DataType::float8e4m3fn:
    case DataType::float8e4m3fnuz:
    case DataType::float8e5m2:
    case DataType::float8e5m2fnuz:
    case DataType::float4e2m1:
      return true;
    default:
      return false;
  }
}

std::string_view to_string(DataType type) {
  constexpr std::array<std::string_view, 24> kNames = {
      "undefined",      "float32",    "uint8",          "int8",       "uint16",   "int16",
      "int32",          "int64",      "string",         "bool",       "float16",  "float64",
      "uint32",         "uint64",     "complex64",      "complex128", "bfloat16", "float8e4m3fn",
      "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",      "int4",     "float4e2m1"};
  const auto index = static_cast<std::size_t>(type);
  return index < kNames.size() ? kNames[index] : "unknown";
}

}  // namespace vitals::onnx
