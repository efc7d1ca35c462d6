#include "frontends/checkpoint/safetensors_write.h"

#include "core/bit_cast.h"

#include <nlohmann/json.hpp>

#include <cassert>

namespace vitals {
namespace {

void append_little_endian(std::string& bytes, std::uint64_t value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    bytes += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

}  // namespace

std::string safetensors_of(std::span<const TensorToWrite> tensors) {
  auto header = nlohmann::ordered_json::object();
  header["__metadata__"] = {{"format", "pt"}};
  std::uint64_t end = 0;
  for (const auto& t : tensors) {
    assert(numel(t.shape) == Count(t.values.size()) && !header.contains(t.name));
    const auto begin = end;
    end += t.values.size_bytes();
    auto shape = nlohmann::ordered_json::array();
    for (auto d : t.shape) shape.push_back(d);
    header[t.name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, end}}};
  }
  auto text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string bytes;
  bytes.reserve(8 + text.size() + end);
  append_little_endian(bytes, text.size(), 8);
  bytes += text;
  for (const auto& t : tensors)
    for (float v : t.values) append_little_endian(bytes, bit_cast<std::uint32_t>(v), 4);
  return bytes;
}

}  // namespace vitals
