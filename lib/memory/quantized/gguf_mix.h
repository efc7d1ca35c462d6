// Which block format each weight of a gguf file has under its mix ("Q4_K_M"): llama.cpp's rules as
// a table. Knows roles of weights, no models.
#pragma once

#include "memory/quantized/quantization.h"
#include "memory/quantized/weight_use.h"

namespace vitals {

struct GgufModel {
  std::uint64_t layers = 0;
  std::uint64_t heads_per_kv_head = 1;
  std::uint64_t experts = 0;
};

[[nodiscard]] GgufModel gguf_model(const Graph& graph, const std::vector<WeightUse>& uses);

[[nodiscard]] std::span<const std::string_view> gguf_mixes();

// The format of a matrix; a format that does not divide its rows falls back as llama.cpp has it.
[[nodiscard]] const BlockFormat& gguf_format(std::string_view mix, const WeightUse& use,
                                             const GgufModel& model);

}  // namespace vitals
