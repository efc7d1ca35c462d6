// Writes GGUF files for tests, by the format's own description: the inverse of the reader. Data are
// zeros; a large file is sparse.
#pragma once

#include "frontends/gguf/gguf.h"

#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace vitals::test {

struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> shape;  // as PyTorch has it
  std::string type = "F32";
};

class GgufWriter {
 public:
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;

  template <class T>
  static std::string number(T value) {
    std::string bytes;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> 8U * i & 0xffU);
    return bytes;
  }
  static std::string text(const std::string& value) {
    return number<std::uint64_t>(value.size()) + value;
  }

  // A value whose bytes are given, with the number of its type in enum gguf_type.
  GgufWriter& raw(const std::string& key, std::uint32_t type, const std::string& bytes) {
    values_ += text(key) + number(type) + bytes;
    ++keys_;
    return *this;
  }
  GgufWriter& set(const std::string& key, std::uint32_t value) {
    return raw(key, 4, number(value));
  }
  GgufWriter& set(const std::string& key, bool value) {
    return raw(key, 7, std::string(1, value ? '\1' : '\0'));
  }
  GgufWriter& set(const std::string& key, float value) {
    return raw(key, 6, number(std::bit_cast<std::uint32_t>(value)));
  }
  GgufWriter& set(const std::string& key, const std::string& value) {
    return raw(key, 8, text(value));
  }
  GgufWriter& set(const std::string& key, const char* value) {
    return set(key, std::string(value));
  }
  GgufWriter& set(const std::string& key, const std::vector<std::string>& values) {
    auto bytes = number<std::uint32_t>(8) + number<std::uint64_t>(values.size());
    for (const auto& value : values) bytes += text(value);
    return raw(key, 9, bytes);
  }
  GgufWriter& set(const std::string& key, const std::vector<bool>& values) {
    auto bytes = number<std::uint32_t>(7) + number<std::uint64_t>(values.size());
    for (const bool value : values) bytes += value ? '\1' : '\0';
    return raw(key, 9, bytes);
  }
  GgufWriter& add(GgufTensor tensor) {
    tensors_.push_back(std::move(tensor));
    return *this;
  }

  // The header up to the first tensor's bytes.
  [[nodiscard]] std::string header() const {
    auto bytes = "GGUF" + number(version) + number<std::uint64_t>(tensors_.size()) +
                 number<std::uint64_t>(keys_) + values_;
    std::uint64_t offset = 0;
    for (const auto& tensor : tensors_) {
      bytes += text(tensor.name) + number(static_cast<std::uint32_t>(tensor.shape.size()));
      for (auto d = tensor.shape.rbegin(); d != tensor.shape.rend(); ++d) bytes += number(*d);
      bytes += number(ggml_type_id(tensor.type)) + number(offset);
      offset += padded(bytes_of(tensor));
    }
    bytes.resize(padded(bytes.size()));
    return bytes;
  }
  [[nodiscard]] std::uint64_t data_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& tensor : tensors_) sum += padded(bytes_of(tensor));
    return sum;
  }
  [[nodiscard]] std::string bytes() const { return header() + std::string(data_bytes(), '\0'); }

  const std::string& write(const std::string& path) const {
    const auto head = header();
    std::ofstream(path, std::ios::binary) << head;
    std::filesystem::resize_file(path, head.size() + data_bytes());
    return path;
  }

  [[nodiscard]] std::size_t tensors() const { return tensors_.size(); }

 private:
  [[nodiscard]] std::uint64_t padded(std::uint64_t size) const {
    return (size + alignment - 1) / alignment * alignment;
  }
  static std::uint64_t bytes_of(const GgufTensor& tensor) {
    const auto* type = ggml_type(ggml_type_id(tensor.type));
    std::uint64_t elements = 1;
    for (auto d : tensor.shape) elements *= d;
    return elements / type->block * (type->bits / 8);
  }

  std::string values_;
  std::uint64_t keys_ = 0;
  std::vector<GgufTensor> tensors_;
};

}  // namespace vitals::test
