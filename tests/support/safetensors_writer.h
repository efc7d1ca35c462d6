// Writes safetensors files for tests, by the format's own description: 8 bytes of length, a JSON
// header, the tensors' bytes.
#pragma once

#include "graph/graph.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vitals::test {

// The header, whatever it says, with its length before and `data` behind it.
inline std::string safetensors(const std::string& header, const std::string& data = "") {
  std::string file;
  for (unsigned i = 0; i < 8; ++i)
    file += static_cast<char>(static_cast<std::uint64_t>(header.size()) >> 8U * i & 0xffU);
  return file + header + data;
}

struct NamedShape {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::string dtype = "F32";
  std::uint64_t element_bytes = 4;
};

// A checkpoint of zeros.
inline std::string safetensors(const std::vector<NamedShape>& tensors,
                               const std::string& metadata = "") {
  std::string header = metadata.empty() ? "{" : "{\"__metadata__\":" + metadata;
  std::uint64_t end = 0;
  for (const auto& t : tensors) {
    if (header.size() > 1) header += ',';
    const auto begin = end;
    std::uint64_t bytes = t.element_bytes;
    std::string shape;
    for (auto d : t.shape) {
      bytes *= d;
      shape += (shape.empty() ? "" : ",") + std::to_string(d);
    }
    end += bytes;
    header += "\"" + t.name + "\":{\"dtype\":\"" + t.dtype + "\",\"shape\":[" + shape +
              "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
  }
  header += '}';
  return safetensors(header, std::string(end, '\0'));
}

// All parameters of a trace, under its own names.
inline std::vector<NamedShape> tensors_of(const Graph& graph) {
  std::vector<NamedShape> tensors;
  for (const auto& param : graph.params)
    tensors.push_back({path_of(graph, param), {param.shape.begin(), param.shape.end()}});
  return tensors;
}

}  // namespace vitals::test
