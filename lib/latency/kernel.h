// What PyTorch really launches for a trace: one kernel for every op when it runs eagerly, products
// and fused rests when it is compiled; casts and copies that no line of the model asks for
// included. Knows types and layouts, no device and no time.
#pragma once

#include "graph/graph.h"

#include <optional>
#include <string_view>
#include <vector>

namespace vitals::latency {

enum class KernelKind : std::uint8_t { product, convolution, attention, elementwise, norm };

// Sizes are those of the whole batch. A product: `count` of [m, k] x [k, n]. Attention: `count`
// heads of m queries and n keys, k wide.
struct Kernel {
  KernelKind kind = KernelKind::elementwise;
  std::string_view name;  // "linear", "cast", "fused"
  ModuleId module = 0;
  double m = 0;
  double n = 0;
  double k = 0;
  double count = 0;
  double flops = 0;          // computed: of causal attention only the scores that are not masked
  double bytes = 0;          // read and written along the grain
  double weight_bytes = 0;   // those of them that are parameters of products
  double strided_bytes = 0;  // read or written across it
  double rolled = 0;         // elements that are read through computed indices (torch.roll)
  bool biased = false;       // attention adds a bias to its scores
  bool causal = false;       // attention computes half of its scores
  bool optimizer = false;    // runs once a training step, and has no backward pass
};

struct Execution {
  bool compiled = false;  // torch.compile (Inductor), else eager
  bool training = false;
  std::optional<DType> low;     // what products compute in, when it is not float32
  bool autocast = false;        // weights and the rest stay float32
  bool low_layer_norm = false;  // under autocast, layer norms in the low type (timm's fast norm)
  bool low_rms_norm = false;    // the same for RMS norms
};

// Of a forward pass; a training step adds the optimizer's. The backward pass runs the same kernels
// again in reverse, see cost.h.
[[nodiscard]] std::vector<Kernel> kernels(const Graph& graph, const Execution& execution);

}  // namespace vitals::latency
