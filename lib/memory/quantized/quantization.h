// How many bytes the weights of a model take when they are stored in fewer bits: schemes that
// choose a format for each weight. Sizes only: nothing is quantised here.
#pragma once

#include "core/block_format.h"
#include "graph/graph.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// All schemes: those of bitsandbytes and its kin ("nf4"), and the mixes of gguf files ("Q4_K_M").
struct QuantScheme {
  std::string_view name;
  std::string_view doc;
};
[[nodiscard]] const std::vector<QuantScheme>& quant_schemes();

// Null when there is none of that name; names are compared without case.
[[nodiscard]] const QuantScheme* find_quant_scheme(std::string_view name);

struct QuantizedSize {
  struct Part {
    std::string_view format;
    Count params;
    Count bytes;
  };
  Count params;
  Count bytes;              // of the tensors; a file's header and vocabulary come on top
  std::vector<Part> parts;  // by format, the largest first; sums to the totals

  [[nodiscard]] double bits_per_param() const { return 8 * bytes.as_double() / params.as_double(); }
};

// What one parameter is stored as; buffers keep no bytes here.
struct StoredWeight {
  std::string_view format;
  Count bytes;
  Count per_rank = {};    // of these, scales and tables, which sharding leaves whole on every rank
  bool packed = false;    // in fewer bits than 16
  bool unpacked = false;  // PyTorch's kernels unpack it for a product
};

// By ParamId. Throws Error for a scheme that is not known.
[[nodiscard]] std::vector<StoredWeight> quantized_weights(const Graph& graph,
                                                          std::string_view scheme);
[[nodiscard]] QuantizedSize quantized_size(const Graph& graph, std::string_view scheme);

}  // namespace vitals
