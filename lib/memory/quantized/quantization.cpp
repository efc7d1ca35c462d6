#include "memory/quantized/quantization.h"

#include "core/suggest.h"
#include "core/text.h"
#include "memory/quantized/gguf_mix.h"

#include <fmt/format.h>

#include <algorithm>

namespace vitals {
namespace {

Count ceil_div(Count a, std::uint64_t b) { return (a + (b - 1)) / b; }

struct Matrix {
  Count elements;
  Count rows;
  std::uint64_t columns = 0;
  std::uint64_t experts = 0;  // matrices in one parameter; 0: it is one
};

// The values that codes of 4 and of 8 bits stand for.
constexpr std::uint64_t kValues4 = 16;
constexpr std::uint64_t kValues8 = 256;

// bitsandbytes 0.50: two elements a byte, an fp32 scale for each block of 64, and the table of the
// 16 values. Blocks run over rows.
Count bytes_4bit(const Matrix& m) {
  return ceil_div(m.elements, 2) + ceil_div(m.elements, 64) * 4 + kValues4 * 4;
}

// The scales in turn as bytes, with an fp32 scale for each 256 of them, their mean, and the table
// of the 256 values (QLoRA, arXiv:2305.14314, section 3).
Count bytes_4bit_double(const Matrix& m) {
  const auto blocks = ceil_div(m.elements, 64);
  return ceil_div(m.elements, 2) + kValues4 * 4 + blocks + ceil_div(blocks, 256) * 4 + 4 +
         kValues8 * 4;
}

// LLM.int8() (arXiv:2208.07339): a byte each, and an fp32 scale for each row.
Count bytes_int8(const Matrix& m) { return m.elements + m.rows * 4; }

// Groups of 128 inputs: a 16-bit scale and a 4-bit zero for each group and output.
Count bytes_awq(const Matrix& m) {
  const auto groups = m.rows * ceil_div(m.columns, 128);
  return ceil_div(m.elements, 2) + groups * 2 + ceil_div(groups, 2);
}

// The same, and the group of each input as int32 (arXiv:2210.17323, AutoGPTQ's files).
Count bytes_gptq(const Matrix& m) { return bytes_awq(m) + Count(m.columns) * 4; }
Count scales_gptq(const Matrix& m) {
  return m.rows * ceil_div(m.columns, 128) * 2 + Count(m.columns) * 4;
}

// One group: a scale and a zero for each output.
Count bytes_gptq_column(const Matrix& m) {
  return ceil_div(m.elements, 2) + m.rows * 2 + ceil_div(m.rows, 2) + Count(m.columns) * 4;
}
Count scales_gptq_column(const Matrix& m) { return m.rows * 2 + Count(m.columns) * 4; }

Count scales_4bit(const Matrix& m) { return bytes_4bit(m) - ceil_div(m.elements, 2); }
Count scales_4bit_double(const Matrix& m) { return bytes_4bit_double(m) - ceil_div(m.elements, 2); }

// A byte each, and an fp32 scale for each tile of 128 x 128 (DeepSeek-V3, arXiv:2412.19437, 3.3).
Count bytes_fp8(const Matrix& m) {
  return m.elements + ceil_div(m.rows, 128) * ceil_div(m.columns, 128) * 4;
}

// OCP Microscaling Formats (MX) 1.0, section 5.3: blocks of 32 along a row, a byte of scale each.
Count bytes_mxfp4(const Matrix& m) { return m.rows * ceil_div(m.columns, 32) * (1 + 16); }

// NVFP4: blocks of 16 along a row, an 8-bit float of scale each, and an fp32 scale for each matrix
// (TensorRT Model Optimizer, modelopt/torch/quantization/qtensor/nvfp4_tensor.py).
Count bytes_nvfp4(const Matrix& m) {
  return m.rows * ceil_div(m.columns, 16) * (1 + 8) +
         Count(std::max<std::uint64_t>(m.experts, 1)) * 4;
}

// Schemes that store the matrices of linear layers in one way, and all else, the head included, in
// 16 bits.
struct LinearScheme {
  QuantScheme scheme;
  Count (*bytes)(const Matrix&) = nullptr;
  // Of these, what FSDP leaves whole: bitsandbytes' quant_state and AutoGPTQ's scales and g_idx are
  // no parameters (fms-acceleration, register_tensors_as_parameters_patch_rule).
  Count (*per_rank)(const Matrix&) = nullptr;
  bool unpacked = false;
  bool experts_alone = false;  // where the model has any
};

constexpr LinearScheme kLinear[] = {
    {{"int8", "bitsandbytes LLM.int8(): a byte each, a scale for each row"}, bytes_int8},
    {{"nf4", "bitsandbytes 4 bits in blocks of 64, fp32 scales"}, bytes_4bit, scales_4bit, true},
    {{"nf4-dq", "the same with quantised scales, as QLoRA does"},
     bytes_4bit_double,
     scales_4bit_double,
     true},
    {{"fp8", "8-bit floats with a scale for each 128 x 128"}, bytes_fp8},
    {{"gptq", "GPTQ, 4 bits in one group a column"}, bytes_gptq_column, scales_gptq_column},
    {{"gptq-128", "GPTQ, 4 bits in groups of 128"}, bytes_gptq, scales_gptq},
    {{"awq", "AWQ, 4 bits in groups of 128"}, bytes_awq},
    {{"mxfp4", "4-bit floats in blocks of 32; of the experts alone where there are any"},
     bytes_mxfp4,
     nullptr,
     false,
     true},
    {{"nvfp4", "4-bit floats in blocks of 16 with 8-bit scales"}, bytes_nvfp4},
};

// Tables, heads and routers stay at 16 bits, and what is no matrix of a linear layer.
bool stays_wide(const WeightUse& use) {
  return use.columns == 0 || use.role == Role::embedding || use.role == Role::head ||
         use.role == Role::classifier || use.role == Role::router;
}

StoredWeight stored_linear(const LinearScheme& scheme, const Param& param, const WeightUse& use,
                           const GgufModel& model) {
  const auto n = numel(param);
  const bool others = scheme.experts_alone && model.experts > 0 && use.experts == 0;
  if (stays_wide(use) || others) return {"F16", n * 2};
  // Experts that are held as one parameter are tensors of their own where they are stored.
  const auto tensors = param.stacked ? Count(param.shape[0]) : Count(1);
  const auto each = n / tensors;
  const Matrix matrix{each, each / use.columns, use.columns, param.stacked ? 0 : use.experts};
  return {scheme.scheme.name, scheme.bytes(matrix) * tensors,
          scheme.per_rank != nullptr ? scheme.per_rank(matrix) * tensors : Count(0), true,
          scheme.unpacked};
}

StoredWeight stored_gguf(std::string_view mix, const Param& param, const WeightUse& use,
                         const GgufModel& model) {
  const auto n = numel(param);
  // Vectors, positions and what chooses experts stay what they are.
  if (use.columns == 0 || use.role == Role::router || use.role == Role::shared_gate)
    return {"F32", n * 4};
  // llama.cpp does not quantise again what is published in few bits.
  const auto& format = param.stored_format.empty() ? gguf_format(mix, use, model)
                                                   : block_format(param.stored_format);
  const auto bytes = n / format.block * format.bytes;
  return {format.name, bytes, 0, bytes < n * 2};
}

void add(QuantizedSize& size, const StoredWeight& stored, Count params) {
  size.params += params;
  size.bytes += stored.bytes;
  for (auto& part : size.parts)
    if (part.format == stored.format) {
      part.params += params;
      part.bytes += stored.bytes;
      return;
    }
  size.parts.push_back({stored.format, params, stored.bytes});
}

std::vector<std::string> scheme_names() {
  std::vector<std::string> names;
  for (const auto& scheme : quant_schemes()) names.emplace_back(scheme.name);
  return names;
}

}  // namespace

const std::vector<QuantScheme>& quant_schemes() {
  static const std::vector<QuantScheme> all = [] {
    std::vector<QuantScheme> schemes;
    for (const auto& linear : kLinear) schemes.push_back(linear.scheme);
    for (const auto mix : gguf_mixes()) schemes.push_back({mix, "gguf, as llama.cpp mixes it"});
    return schemes;
  }();
  return all;
}

const QuantScheme* find_quant_scheme(std::string_view name) {
  for (const auto& scheme : quant_schemes())
    if (same_name(scheme.name, name)) return &scheme;
  return nullptr;
}

std::vector<StoredWeight> quantized_weights(const Graph& graph, std::string_view scheme) {
  const auto linear = std::find_if(std::begin(kLinear), std::end(kLinear),
                                   [&](const auto& s) { return same_name(s.scheme.name, scheme); });
  const auto mixes = gguf_mixes();
  const auto mix = std::find_if(mixes.begin(), mixes.end(),
                                [&](std::string_view name) { return same_name(name, scheme); });
  if (linear == std::end(kLinear) && mix == mixes.end())
    fail("unknown quantisation '{}'{} (known: {})", scheme, did_you_mean(scheme, scheme_names()),
         fmt::join(scheme_names(), ", "));

  const auto uses = weight_uses(graph);
  const auto model = gguf_model(graph, uses);
  std::vector<StoredWeight> weights(graph.params.size());
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    const auto& param = graph.params[id];
    if (param.buffer) continue;
    if (param.adapter) {  // stays what it is
      weights[id] = {"F16", numel(param) * 2};
      continue;
    }
    weights[id] = mix == mixes.end() ? stored_linear(*linear, param, uses[id], model)
                                     : stored_gguf(*mix, param, uses[id], model);
  }
  return weights;
}

QuantizedSize quantized_size(const Graph& graph, std::string_view scheme) {
  const auto weights = quantized_weights(graph, scheme);
  QuantizedSize size;
  for (ParamId id = 0; id < graph.params.size(); ++id)
    if (!graph.params[id].buffer) add(size, weights[id], numel(graph.params[id]));
  std::stable_sort(size.parts.begin(), size.parts.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return size;
}

}  // namespace vitals
