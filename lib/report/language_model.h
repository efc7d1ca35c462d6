// What a language model's inference and training take, as sections of the flops and memory reports:
// generation, KV cache, quantised weights, training compute. Formatting only.
#pragma once

#include "cost/generation.h"
#include "cost/kv_cache.h"
#include "cost/training_compute.h"
#include "memory/quantized/quantization.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

namespace vitals {

[[nodiscard]] nlohmann::ordered_json generation_json(const Generation& g);
[[nodiscard]] Table generation_table(const Generation& g);

// Of `tokens` tokens a sample, in elements of `dtype`. Layers that are alike are one row.
[[nodiscard]] nlohmann::ordered_json kv_cache_json(const Graph& graph, std::uint64_t tokens,
                                                   const BlockFormat& format);
[[nodiscard]] Table kv_cache_table(const Graph& graph, std::uint64_t tokens,
                                   const BlockFormat& format);

[[nodiscard]] nlohmann::ordered_json training_compute_json(const TrainingCompute& t);
[[nodiscard]] Table training_compute_table(const TrainingCompute& t);

[[nodiscard]] nlohmann::ordered_json quantized_json(std::string_view scheme,
                                                    const QuantizedSize& size);
[[nodiscard]] Table quantized_table(const QuantizedSize& size);

}  // namespace vitals
