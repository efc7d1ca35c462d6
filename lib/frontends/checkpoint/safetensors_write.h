// Tensors as a file in the safetensors format (huggingface.co/docs/safetensors).
#pragma once

#include "core/shape.h"

#include <span>
#include <string>

namespace vitals {

struct TensorToWrite {
  std::string name;
  Shape shape;
  std::span<const float> values;  // row-major
};

// The bytes of the file: fp32, in the order given, data aligned to 8 bytes. Names must differ.
[[nodiscard]] std::string safetensors_of(std::span<const TensorToWrite> tensors);

}  // namespace vitals
