#include "memory/llama_cpp/estimate.h"

#include "core/error.h"
#include "core/suggest.h"
#include "core/text.h"
#include "memory/llama_cpp/compute_buffer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

namespace vitals::llama {
namespace {

constexpr std::uint64_t kCellPadding = 256;  // llama_kv_cache: n_pad with flash attention
constexpr std::uint64_t kAlignment = 128;    // ggml_backend_cuda_buffer_type_get_alignment
constexpr std::uint64_t kCpuAlignment = 64;
// Copying a weight to the GPU is worth it from so many tokens on (ggml-cuda.cu, offload_op).
constexpr std::uint64_t kOffloadTokens = 32;
// Rows of ids, positions and of the outputs that are asked for: three int32 a token.
constexpr std::uint64_t kIdBytes = 3 * 4;

std::uint64_t padded(std::uint64_t n, std::uint64_t to) { return (n + to - 1) / to * to; }

// llama_kv_cache_iswa: a layer with a window keeps it for every sequence and what a micro-batch
// adds.
std::uint64_t cells_of(const KvCache& cache, const Options& o) {
  const auto all = padded(o.context, kCellPadding);
  if (cache.window == 0) return all;
  return std::min(all,
                  padded((Count(cache.window) * o.sequences + o.ubatch).value(), kCellPadding));
}

Count cache_bytes(const KvCache& cache, const Options& o, bool compressed) {
  const auto& format = kv_format(o.kv_dtype);
  const auto cells = cells_of(cache, o);
  const auto row = [&](std::uint64_t elements) {
    if (elements % format.block != 0)
      fail("--kv-dtype {}: rows of {} elements are not divided by its blocks of {}", o.kv_dtype,
           elements, format.block);
    return bytes_of(format, Count(elements) * cells);
  };
  // Absorbed latent attention keeps the latent as keys; values are a view of them.
  if (compressed && cache.compressed > 0) return row(cache.compressed);
  return row(cache.key) + row(cache.value);
}

class Estimator {
 public:
  Estimator(const BuildTokens& build, const StoredWeights& stored, const Options& options)
      : stored_(stored), options_(options) {
    result_.ubatch = std::max<std::uint64_t>(1, std::min(options.ubatch, options.context));
    graph_ = build(result_.ubatch);
    if (graph_.kv_caches.empty() && !graph_.plain_stack && layer_count() == 0)
      fail("{}: has no layers that llama.cpp could place", graph_.model);
  }

  Estimate run() {
    find_layers();
    place_weights();
    place_cache();
    place_compute();
    return std::move(result_);
  }

 private:
  std::uint32_t layer_count() const {
    std::uint32_t count = 0;
    for (const auto& module : graph_.modules)
      if (module.layer != kNone) count = std::max(count, module.layer + 1);
    return count;
  }

  std::uint32_t layer_of(ModuleId module) const {
    for (; module != kNone; module = graph_.modules[module].parent)
      if (graph_.modules[module].layer != kNone) return graph_.modules[module].layer;
    return kNone;
  }

  // The last layers come first, then the output (llama_model::load_tensors, i_gpu_start).
  void find_layers() {
    const auto count = layer_count();
    const auto asked = options_.gpu ? options_.gpu_layers.value_or(count + 1) : 0;
    const auto first = asked > count ? 0 : count + 1 - asked;
    for (std::uint32_t i = 0; i < count; ++i) {
      Layer layer;
      layer.index = i;
      layer.on_gpu = options_.gpu && asked > 0 && i >= first;
      result_.layers.push_back(layer);
    }
    result_.output_on_gpu = options_.gpu && asked > 0;
  }

  // Whether an override names the tensor; nothing: none does.
  std::optional<bool> overridden(const std::string& path, const StoredParam* stored) const {
    for (const auto& rule : options_.overrides) {
      const std::regex pattern(rule.pattern);
      bool found = std::regex_search(path, pattern);
      if (stored != nullptr)
        for (const auto& part : stored->parts)
          found = found || std::regex_search(part.name, pattern);
      if (found) return rule.gpu;
    }
    return std::nullopt;
  }

  bool on_gpu(ParamId id, const StoredParam* stored) const {
    if (!options_.gpu) return false;
    const auto& param = graph_.params[id];
    if (const auto forced = overridden(path_of(graph_, param), stored)) return *forced;
    const auto layer = layer_of(param.module);
    if (layer != kNone) return result_.layers[layer].on_gpu;
    return result_.output_on_gpu && !is_input(id);
  }

  // Tables that the first op reads stay on the CPU, whatever -ngl says.
  bool is_input(ParamId id) const {
    const auto role = graph_.params[id].role;
    return role == Role::embedding || role == Role::position_embedding ||
           role == Role::type_embedding;
  }

  bool used_by_head(ParamId id) const {
    return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& node) {
      return std::holds_alternative<op::Linear>(node.op) && node.params[0] == id;
    });
  }

  void place_weights() {
    placed_gpu_.assign(graph_.params.size(), false);
    bytes_.assign(graph_.params.size(), 0);
    for (ParamId id = 0; id < graph_.params.size(); ++id) {
      const auto it = stored_.by_path.find(path_of(graph_, graph_.params[id]));
      const auto* stored = it == stored_.by_path.end() ? nullptr : &it->second;
      if (stored == nullptr) continue;
      bytes_[id] = stored->bytes();
      placed_gpu_[id] = on_gpu(id, stored);
      (placed_gpu_[id] ? result_.gpu : result_.cpu).weights += bytes_[id];
      if (const auto layer = layer_of(graph_.params[id].module); layer != kNone)
        (placed_gpu_[id] ? result_.layers[layer].gpu_weights : result_.layers[layer].cpu_weights) +=
            bytes_[id];
      // A table that is the head as well is held a second time, where the output is.
      if (is_input(id) && !placed_gpu_[id] && result_.output_on_gpu && used_by_head(id)) {
        result_.gpu.weights += bytes_[id];
        result_.tied = true;
      }
      const auto latent = graph_.params[id].role == Role::key_value && stored->parts.size() == 2;
      absorbed_ = absorbed_ || latent;
    }
    (options_.gpu && result_.output_on_gpu ? result_.gpu : result_.cpu).weights += stored_.beside;
  }

  void place_cache() {
    for (const auto& cache : graph_.kv_caches) {
      const auto bytes = cache_bytes(cache, options_, absorbed_);
      if (cache.window == 0) result_.cells = std::max(result_.cells, cells_of(cache, options_));
      const auto layer = layer_of(cache.module);
      const bool gpu = layer != kNone ? result_.layers[layer].on_gpu : result_.output_on_gpu;
      (gpu ? result_.gpu : result_.cpu).kv_cache += bytes;
      if (layer != kNone) result_.layers[layer].kv_cache += bytes;
    }
    if (result_.cells == 0) result_.cells = padded(options_.context, kCellPadding);
  }

  ComputeOptions compute_options() const {
    ComputeOptions o;
    o.flash_attention = options_.flash_attention;
    o.cells = [this](const KvCache& cache) { return cells_of(cache, options_); };
    o.attends = [this](ModuleId module) {
      const auto layer = layer_of(module);
      return !options_.gpu || layer == kNone || result_.layers[layer].on_gpu;
    };
    o.copied = [this](ParamId id) -> Count {
      const bool there =
          !options_.gpu || placed_gpu_[id] || (is_input(id) && result_.output_on_gpu);
      return there || result_.ubatch < kOffloadTokens ? Count(0) : bytes_[id];
    };
    o.embedding_on_host = options_.gpu;
    return o;
  }

  void place_compute() {
    const auto options = compute_options();
    const auto tensors = planned_tensors(graph_, options);
    result_.graph = plan_buffer(tensors, options_.gpu ? kAlignment : kCpuAlignment);
    const bool uses_gpu = options_.gpu;
    (uses_gpu ? result_.gpu : result_.cpu).compute = result_.graph.bytes;
    // The inputs of the GPU's graph stand in host memory as well, until they are copied.
    if (uses_gpu) {
      result_.cpu.compute = Count(result_.ubatch) * kIdBytes;
      for (const auto& tensor : tensors)
        if (tensor.input) result_.cpu.compute += tensor.bytes;
    }
    for (const auto output : graph_.outputs)
      result_.cpu.output +=
          numel(graph_.nodes[output].shape) / result_.ubatch * 4 * options_.sequences;
  }

  const StoredWeights& stored_;
  const Options& options_;
  Graph graph_;
  Estimate result_;
  std::vector<bool> placed_gpu_;
  std::vector<Count> bytes_;
  bool absorbed_ = false;
};

}  // namespace

const std::vector<std::string>& kv_dtypes() {
  static const std::vector<std::string> all = {"f32",  "f16",    "bf16", "q8_0", "q4_0",
                                               "q4_1", "iq4_nl", "q5_0", "q5_1"};
  return all;
}

const BlockFormat& kv_format(const std::string& dtype) {
  const auto& all = kv_dtypes();
  if (std::find(all.begin(), all.end(), lower_case(dtype)) == all.end())
    fail("--kv-dtype: llama.cpp's cache has no type '{}'{} (known: {})", dtype,
         did_you_mean(dtype, all), fmt::join(all, ", "));
  return block_format(dtype);
}

void check(const Options& o) {
  if (kv_format(o.kv_dtype).block > 1 && !o.flash_attention)
    fail(
        "--kv-dtype {}: llama.cpp needs flash attention for quantised values; leave out "
        "--attention "
        "eager",
        o.kv_dtype);
  for (const auto& rule : o.overrides) {
    try {
      (void)std::regex(rule.pattern);
    } catch (const std::regex_error& error) {
      fail("--override-tensor: '{}' is no regular expression: {}", rule.pattern, error.what());
    }
  }
}

Estimate estimate(const BuildTokens& build, const StoredWeights& stored, const Options& options) {
  check(options);
  return Estimator(build, stored, options).run();
}

std::optional<std::uint64_t> largest_context(const BuildTokens& build, const StoredWeights& stored,
                                             Options options, Count budget, std::uint64_t most) {
  const auto fits = [&](std::uint64_t steps) {
    options.context = steps * kCellPadding;
    return estimate(build, stored, options).gpu.total() <= budget;
  };
  std::uint64_t low = 0;  // fits, or is nothing
  std::uint64_t high = std::max<std::uint64_t>(1, most / kCellPadding);
  if (fits(high)) return high * kCellPadding;
  while (low + 1 < high) {
    const auto middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  if (low == 0) return std::nullopt;
  return low * kCellPadding;
}

std::optional<std::uint64_t> most_layers(const BuildTokens& build, const StoredWeights& stored,
                                         Options options, Count budget) {
  options.gpu_layers = std::nullopt;
  const auto count = estimate(build, stored, options).layers.size() + 1;
  for (auto n = count; n > 0; --n) {
    options.gpu_layers = n;
    if (estimate(build, stored, options).gpu.total() <= budget) return n;
  }
  return std::nullopt;
}

}  // namespace vitals::llama
