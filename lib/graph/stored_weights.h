// What a file stores of a model's parameters: the formats of each with their bytes, by the
// parameter's path in the trace. Plain data; knows no file formats.
#pragma once

#include "core/count.h"

#include <map>
#include <string>
#include <vector>

namespace vitals {

struct StoredParam {
  struct Part {
    std::string name;    // of the tensor in the file
    std::string format;  // "Q4_K"
    Count elements;
    Count bytes;
  };
  std::vector<Part> parts;

  [[nodiscard]] Count bytes() const {
    Count sum;
    for (const auto& part : parts) sum += part.bytes;
    return sum;
  }
};

struct StoredWeights {
  std::map<std::string, StoredParam> by_path;
  Count beside;  // bytes of tensors that are no parameters: frequencies of rotary positions

  [[nodiscard]] Count bytes() const {
    auto sum = beside;
    for (const auto& [path, param] : by_path) sum += param.bytes();
    return sum;
  }
};

}  // namespace vitals
