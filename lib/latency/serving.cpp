#include "latency/serving.h"

#include "cost/kv_cache.h"
#include "cost/sizes.h"
#include "latency/layout.h"
#include "memory/tensor_parallel.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace vitals::latency {
namespace {

using prices::Family;
using prices::Question;

// Between steps servers schedule, sample and build the next batch; between layers CUDA graphs still
// leave gaps. Fitted to published load tests (docs/predict.md).
constexpr double kStepSeconds = 1.0e-3;
constexpr double kLayerSeconds = 8e-6;
// A fused elementwise kernel in a CUDA graph, beside the bytes that it moves.
constexpr double kElementwiseSeconds = 2e-6;
constexpr double kElementwiseBandwidth = 0.7;
constexpr double kNarrowest = 1e-9;

struct Priced {
  Question question;
  double times = 1;
  double StepTime::*part = nullptr;
};

// Weights of formats that were measured for experts alone run through 16-bit kernels that read
// fewer bytes.
const prices::Format* linear_format(const prices::Format* format) {
  static const prices::Format narrow{"bf16", 0.53, 2, &Machine::bf16};
  return format->weight_bytes < 1 && format->input_bytes >= 2 ? &narrow : format;
}

class StepKernels {
 public:
  StepKernels(const Graph& graph, const ServingSetup& setup)
      : graph_(graph), setup_(setup), tp_(static_cast<double>(setup.tp)) {
    if (setup.tp > 1) plan_ = plan_tensor_parallel(graph, setup.tp, false);
    for (NodeId id = 0; id < graph.nodes.size(); ++id)
      if (std::holds_alternative<op::Linear>(graph.nodes[id].op)) head_ = id;
    tokens_ = static_cast<double>(graph.batch * graph.num_tokens);
  }

  std::vector<Priced> run() {
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const auto& node = graph_.nodes[id];
      if (std::holds_alternative<op::Linear>(node.op)) add_linear(id);
      if (std::holds_alternative<op::Sdpa>(node.op)) add_attention(node);
      if (const auto* expert = std::get_if<op::ExpertLinear>(&node.op)) add_expert(node, *expert);
    }
    for (const auto& [key, joined] : linears_) add_gemm(joined);
    for (const auto& [call, layer] : experts_) add_layer(layer);
    return std::move(result_);
  }

 private:
  struct Joined {
    double m = 0;
    double n = 0;
    double k = 0;
  };
  struct Layer {
    double hidden = 0;
    double inter = 0;
    double experts = 0;
    double active = 0;
  };

  // Products that read the same tensor run as one: queries, keys and values, gate and up.
  void add_linear(NodeId id) {
    const auto& node = graph_.nodes[id];
    const auto& linear = std::get<op::Linear>(node.op);
    const auto cut = plan_.cut(id);
    const bool head = id == head_;
    Joined part;
    part.n = static_cast<double>(linear.out) / (cut == Cut::column || head ? tp_ : 1);
    part.k = static_cast<double>(linear.in) / (cut == Cut::row ? tp_ : 1);
    // Logits are made of the last token alone. Latent attention absorbs the product that would
    // write out the keys and values of all cached tokens.
    part.m = head ? static_cast<double>(graph_.batch)
                  : std::min(static_cast<double>(rows_of(node.shape)), tokens_);
    auto& joined = linears_[{node.inputs[0], cut == Cut::column}];
    joined.m = part.m;
    joined.k = part.k;
    joined.n += part.n;
    if (cut == Cut::row) add_all_reduce(part.m * static_cast<double>(linear.out));
  }

  void add_gemm(const Joined& joined) {
    Question q;
    q.format = linear_format(setup_.format);
    q.sizes = {joined.m, joined.n, joined.k};
    result_.push_back({q, 1, &StepTime::linear});
  }

  void add_all_reduce(double elements) {
    if (setup_.tp < 2) return;
    Question q;
    q.family = Family::allreduce;
    q.format = prices::find_format("bf16");
    q.sizes = {tp_, 2 * elements, 0};
    result_.push_back({q, 1, &StepTime::communication});
  }

  [[nodiscard]] const KvCache* cache_of(const Node& node) const {
    auto module = graph_.calls[node.call].module;
    for (;;) {
      for (const auto& cache : graph_.kv_caches)
        if (cache.module == module) return &cache;
      if (module == 0) return nullptr;
      module = graph_.modules[module].parent;
    }
  }

  void add_attention(const Node& node) {
    const auto sizes = attention_sizes(graph_, node);
    const auto* cache = cache_of(node);
    const auto batch = static_cast<double>(graph_.batch);
    const double heads = std::max(1.0, static_cast<double>(sizes.batch) / batch / tp_);
    double kv_heads = heads;
    if (cache != nullptr) kv_heads = std::max(1.0, static_cast<double>(cache->heads) / tp_);
    double width = 0.5 * static_cast<double>(sizes.width + sizes.value_width);
    const bool latent = cache != nullptr && cache->compressed > 0 && sizes.queries == 1;
    if (latent) {  // all heads read one latent, which is key and value in one
      kv_heads = 1;
      width = 0.5 * static_cast<double>(cache->compressed);
    }
    Question q;
    q.family = sizes.queries > 1 ? Family::prefill : Family::decode;
    q.format = prices::find_format("bf16");
    q.kv_bytes = setup_.kv_bytes;
    q.sizes = {batch,
               std::max(heads, kv_heads),
               std::min(heads, kv_heads),
               width,
               static_cast<double>(sizes.queries),
               static_cast<double>(sizes.keys),
               cache != nullptr ? static_cast<double>(cache->window) : 0.0};
    result_.push_back({q, 1, &StepTime::attention});
  }

  void add_expert(const Node& node, const op::ExpertLinear& expert) {
    auto& layer = experts_[node.call];
    if (layer.hidden == 0) layer.hidden = static_cast<double>(expert.in);
    layer.inter = static_cast<double>(expert.in);  // of the last one, which leads back
    layer.experts = static_cast<double>(expert.experts);
    layer.active = static_cast<double>(expert.active);
  }

  void add_layer(const Layer& layer) {
    Question q;
    q.family = Family::moe;
    q.format = setup_.expert_format;
    const auto ep = static_cast<double>(setup_.ep);
    constexpr double kSkew = 1.2;  // as traffic of real prompts loads experts unevenly
    q.sizes = {
        tokens_, layer.hidden, layer.inter, layer.experts, layer.active, std::max(1.0, tp_ / ep),
        ep,      kSkew};
    result_.push_back({q, 1, &StepTime::experts});
    add_all_reduce(tokens_ * layer.hidden);
  }

  const Graph& graph_;
  const ServingSetup& setup_;
  double tp_;
  double tokens_ = 0;
  TensorParallel plan_;
  NodeId head_ = 0;
  std::map<std::pair<NodeId, bool>, Joined> linears_;
  std::map<CallId, Layer> experts_;
  std::vector<Priced> result_;
};

double elementwise_seconds(const Graph& graph, const ServingSetup& setup) {
  Execution execution;
  execution.compiled = true;
  execution.low = DType::bf16;
  double seconds = 0;
  for (const auto& kernel : kernels(graph, execution)) {
    if (kernel.kind != KernelKind::elementwise && kernel.kind != KernelKind::norm) continue;
    // Concatenating to the cache is what attention's kernels do in place.
    const double activations =
        std::min(kernel.bytes, 64.0 * static_cast<double>(graph.batch) *
                                   static_cast<double>(graph.num_tokens) * 16384);
    seconds += kElementwiseSeconds + activations /
                                         (setup.machine.bandwidth * kElementwiseBandwidth) /
                                         static_cast<double>(setup.tp);
  }
  return seconds;
}

}  // namespace

StepTime step_time(const Graph& graph, const ServingSetup& setup) {
  StepTime step;
  struct Known {
    prices::Price price;
    double times = 0;
    double StepTime::*part = nullptr;
  };
  std::map<std::pair<Family, prices::Sizes>, Known> known;
  for (const auto& kernel : StepKernels(graph, setup).run()) {
    auto& one = known[{kernel.question.family, kernel.question.sizes}];
    if (one.times == 0)
      one = {
          prices::price(*setup.list, kernel.question, setup.machine, setup.device, setup.framework),
          0, kernel.part};
    one.times += kernel.times;
  }
  double low = 0;
  double high = 0;
  for (const auto& [key, one] : known) {
    step.*one.part += 1e-6 * one.price.us * one.times;
    low += 1e-6 * one.price.low * one.times;
    high += 1e-6 * one.price.high * one.times;
    step.measured = step.measured && one.price.measured;
  }
  step.elementwise = elementwise_seconds(graph, setup);
  step.host = kStepSeconds + kLayerSeconds * static_cast<double>(graph.kv_caches.size());
  const double rest = step.elementwise + step.host;
  step.low = low + 0.6 * rest;
  step.high = std::max(high + 1.7 * rest, step.seconds() * (1 + kNarrowest));
  return step;
}

ServingMemory serving_memory(const Graph& graph, const ServingSetup& setup, std::uint64_t tokens,
                             std::uint64_t streams) {
  ServingMemory m;
  TensorParallel plan;
  if (setup.tp > 1) plan = plan_tensor_parallel(graph, setup.tp, false);
  std::vector<double> bytes(graph.params.size(), 2);
  std::vector<double> parts(graph.params.size(), 1);
  NodeId head = 0;
  for (NodeId id = 0; id < graph.nodes.size(); ++id)
    if (std::holds_alternative<op::Linear>(graph.nodes[id].op)) head = id;
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    const auto& node = graph.nodes[id];
    const auto weight = node.params[0];
    if (weight == kNone) continue;
    if (std::holds_alternative<op::Linear>(node.op) && id != head)
      bytes[weight] = setup.format->weight_bytes;
    if (std::holds_alternative<op::ExpertLinear>(node.op)) {
      bytes[weight] = setup.expert_format->weight_bytes;
      parts[weight] = static_cast<double>(std::max(setup.ep, setup.tp));
    }
  }
  double weights = 0;
  for (ParamId id = 0; id < graph.params.size(); ++id)
    weights += numel(graph.params[id]).as_double() * bytes[id] /
               std::max(parts[id], static_cast<double>(plan.split(id)));
  m.weights = Count::rounded(weights);
  double cache = 0;
  for (const auto& layer : graph.kv_caches)
    cache += kv_cache_elements(layer, tokens, LatentCache::compressed).as_double() *
             setup.kv_bytes /
             (layer.compressed > 0 ? 1 : static_cast<double>(std::min(setup.tp, layer.heads)));
  m.cache_of_stream = Count::rounded(cache);
  // vLLM profiles a step of 8192 tokens; its widest tensors are those of the feed-forward layer.
  constexpr double kChunk = 8192;
  double widest = 0;
  double vocabulary = 0;
  for (NodeId id = 0; id < graph.nodes.size(); ++id)
    if (const auto* linear = std::get_if<op::Linear>(&graph.nodes[id].op)) {
      if (id == head)
        vocabulary = static_cast<double>(linear->out);
      else
        widest = std::max(widest, static_cast<double>(std::max(linear->in, linear->out)));
    }
  m.activations = Count::rounded(2 * 3 * kChunk * widest / static_cast<double>(setup.tp) +
                                 4 * 3 * static_cast<double>(streams) * vocabulary);
  return m;
}

}  // namespace vitals::latency
