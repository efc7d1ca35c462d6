// A checkpoint as data: which tensors there are, of which element type and shape, and where their
// bytes stand in which file. Must not know file formats, JSON or models.
#pragma once

#include "core/count.h"
#include "core/dtype.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// A type that elements are stored in, by the name of the file's format. Quantised types have
// elements that are narrower than a byte, or blocks of elements with scales (ggml's), which no
// tensor of a trace has.
struct ElementType {
  std::string_view name;            // "F32", "BF16", "F8_E4M3", "F4", "Q4_K"
  unsigned bits = 0;                // of one block
  bool floating = false;            // stands for real numbers
  std::optional<DType> dtype = {};  // the type that a trace or a kernel knows it by
  unsigned block = 1;               // elements that are stored together
};

// Those of safetensors.
[[nodiscard]] std::span<const ElementType> element_types();
// Null when there is none of that name.
[[nodiscard]] const ElementType* find_element_type(std::string_view name);

struct StoredTensor {
  std::string name;
  const ElementType* type = nullptr;
  std::vector<std::uint64_t> shape;
  std::uint32_t file = 0;   // index into Checkpoint::files
  std::uint64_t begin = 0;  // of its bytes, from the start of the file
  std::uint64_t end = 0;

  [[nodiscard]] Count bytes() const { return end - begin; }
  // Fits into 64 bits: reading the file has checked it.
  [[nodiscard]] Count elements() const;
};

struct CheckpointFile {
  std::string path;
  std::uint64_t bytes = 0;         // of the whole file
  std::uint64_t header_bytes = 0;  // of what stands before the tensors
};

struct Checkpoint {
  std::string path;  // of the file, index or folder
  std::string name;  // the last part of it
  std::vector<CheckpointFile> files;
  std::vector<StoredTensor> tensors;  // by name, numbers in it by value: blocks.2 before blocks.10
  std::map<std::string, std::string> shared;  // a tensor that is not stored, by the one that it is
  std::map<std::string, std::string> metadata;  // what the writer noted
  std::vector<std::string> remarks;             // oddities that are no faults

  // The tensor of that name, or the one that stands for it. Null when there is none.
  [[nodiscard]] const StoredTensor* find(std::string_view tensor) const;
};

// The order of Checkpoint::tensors: numbers inside names compare by value.
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b);

// Puts the tensors in that order; throws Error when a name stands twice.
void sort_tensors(Checkpoint& checkpoint);

}  // namespace vitals
