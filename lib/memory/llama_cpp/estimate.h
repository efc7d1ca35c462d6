// What llama.cpp holds on a GPU and on the CPU: weights as they are stored, the cache of keys and
// values, the compute buffers of its graph, the output buffer. From the trace and the stored sizes;
// knows no architecture and no output format.
#pragma once

#include "core/block_format.h"
#include "graph/graph.h"
#include "graph/stored_weights.h"
#include "memory/llama_cpp/graph_allocator.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vitals::llama {

// --override-tensor: tensors whose name or path the pattern is found in go to the CPU or the GPU.
struct TensorOverride {
  std::string pattern;  // a regular expression (ECMAScript)
  bool gpu = false;
};

struct Options {
  std::uint64_t context = 4096;  // -c: tokens of all sequences together
  std::uint64_t sequences = 1;   // -np
  std::uint64_t ubatch = 512;    // -ub: tokens that are computed at a time
  std::string kv_dtype = "f16";  // -ctk and -ctv
  bool flash_attention = true;   // -fa
  bool gpu = true;               // there is one
  std::optional<std::uint64_t>
      gpu_layers;  // -ngl: the last so many layers; the output counts as one
  std::vector<TensorOverride> overrides;
};

// Throws Error for a type that a cache cannot have, and for quantised values without flash
// attention.
void check(const Options& options);
[[nodiscard]] const std::vector<std::string>& kv_dtypes();

struct Place {
  Count weights;
  Count kv_cache;
  Count compute;
  Count output;

  [[nodiscard]] Count total() const { return weights + kv_cache + compute + output; }
};

struct Layer {
  std::uint32_t index = 0;
  bool on_gpu = false;
  Count gpu_weights;
  Count cpu_weights;
  Count kv_cache;
};

struct Estimate {
  Place gpu;
  Place cpu;
  std::vector<Layer> layers;
  bool output_on_gpu = false;
  bool tied = false;         // the token table is stored once, and held twice
  std::uint64_t cells = 0;   // of the cache of a layer that sees all tokens
  GraphBuffer graph;         // of the GPU; without one, of the CPU
  std::uint64_t ubatch = 0;  // tokens of the graph
};

// Builds the trace over so many tokens, with fused attention.
using BuildTokens = std::function<Graph(std::uint64_t tokens)>;

[[nodiscard]] Estimate estimate(const BuildTokens& build, const StoredWeights& stored,
                                const Options& options);

// Bytes of one element of a cache, as a block format.
[[nodiscard]] const BlockFormat& kv_format(const std::string& dtype);

// The largest context (a multiple of 256, `most` at most) that fits in so many bytes of the GPU;
// nothing: not even the smallest one.
[[nodiscard]] std::optional<std::uint64_t> largest_context(const BuildTokens& build,
                                                           const StoredWeights& stored,
                                                           Options options, Count budget,
                                                           std::uint64_t most);
// The most layers on the GPU that fit at this context.
[[nodiscard]] std::optional<std::uint64_t> most_layers(const BuildTokens& build,
                                                       const StoredWeights& stored, Options options,
                                                       Count budget);

}  // namespace vitals::llama
