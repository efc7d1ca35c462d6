// The table that torchsummary 1.5.1 prints, byte for byte, and the figures below it.
#pragma once

#include "graph/graph.h"

#include <optional>
#include <string>

namespace vitals {

// What torchsummary makes of a model. Its rules: one row per forward call of every module except
// Sequential, ModuleList and the model itself, in order of return; parameters are what is named
// weight or bias; megabytes are numbers x 4 / 1024^2.
struct TorchSummary {
  struct Row {
    std::string name;   // "Linear-6"
    std::string shape;  // "[-1, 197, 2304]"
    Count params;
  };
  std::vector<Row> rows;
  Count total_params;
  Count trainable_params;
  double input_mb = 0;
  double forward_backward_mb = 0;
  double params_mb = 0;
  double total_mb = 0;
};

// Without a batch size torchsummary prints -1.
[[nodiscard]] TorchSummary torch_summary(const Graph& graph, std::optional<std::uint64_t> batch);

[[nodiscard]] std::string to_text(const TorchSummary& summary);

// One line on what torchsummary leaves out, and the true total.
[[nodiscard]] std::string left_out_by_torchsummary(const Graph& graph);

}  // namespace vitals
