#include "memory/estimate.h"

#include "graph/blocks.h"

#include <algorithm>
#include <map>

namespace vitals {

DType product_type(const MemoryOptions& o) {
  if (!o.precision.autocast) return o.precision.weights;
  return o.amp_dtype.value_or(o.device == eager::Device::cpu ? DType::bf16 : DType::f16);
}

BlockFormat cache_format(const MemoryOptions& o) {
  if (o.cache_format != nullptr) return *o.cache_format;
  const auto dtype = product_type(o);
  return {to_string(dtype), 1, size_of(dtype)};
}

namespace {

eager::StepOptions step_options(const Graph& graph, const MemoryOptions& o) {
  eager::StepOptions step;
  step.settings.device = o.device;
  if (o.precision.autocast) step.settings.autocast = product_type(o);
  step.tensor = plan_tensor_parallel(graph, o.parallel.tensor, o.parallel.sequence);
  step.fsdp = o.parallel.data > 1 ? o.parallel.fsdp : 0;
  step.zero = {step.fsdp > 0 ? 3 : o.parallel.zero, o.parallel.data};
  step.stack = o.stack;
  if (o.device == eager::Device::cpu) step.stack.block = 1;
  step.optimizer_impl = o.optimizer_impl;
  step.loss = o.loss;
  step.keeps_logits = o.transformers == Transformers::v4_48;
  step.fused_norm = o.fused_norm;
  step.fused_lora = o.fused_lora;
  step.precision = o.precision;
  step.optimizer = o.optimizer;
  step.training = o.training;
  // A second micro-batch finds the gradients of the first.
  step.keep_gradients = o.keep_gradients || o.parallel.micro_batches > 1;
  step.checkpoints = checkpoint_ranges(graph, o.checkpoint);
  step.cached_tokens = o.cached_tokens;
  step.latent = o.latent;
  step.cache_format = o.cache_format;
  step.packed = o.packed;
  step.offload = o.offload;
  step.allocator = o.allocator;
  step.record = o.record;
  step.budget = o.budget;
  return step;
}

// Blocks are dealt evenly; the first stage has what stands before them, the last what follows.
std::vector<NodeRange> pipeline_stages(const Graph& graph, const Parallelism& p) {
  if (p.pipeline == 1) return {{}};
  const auto blocks = block_calls(graph);
  if (blocks.empty()) fail("--pp {}: the model has no stack of blocks to cut", p.pipeline);
  const auto chunks = Count(p.pipeline) * p.interleave;
  if (blocks.size() % chunks.value() != 0)
    fail("--pp {}{} does not divide the {} blocks", p.pipeline,
         p.interleave > 1 ? fmt::format(" --interleave {}", p.interleave) : "", blocks.size());
  const auto per_stage = blocks.size() / p.pipeline;
  std::vector<NodeRange> stages;
  NodeId begin = 0;
  for (std::size_t rank = 1; rank <= p.pipeline; ++rank) {
    const auto end = rank == p.pipeline ? static_cast<NodeId>(graph.nodes.size())
                                        : graph.calls[blocks[rank * per_stage]].begin;
    stages.push_back({begin, end});
    begin = end;
  }
  return stages;
}

// Narayanan et al. 2021 (arXiv:2104.04473): the one-forward-one-backward schedule has
// min(p - r, m) micro-batches in flight on rank r; interleaved with v chunks a rank it has
// 2 (p - r - 1) + (v - 1) p + 1 chunks, each a v-th of the rank's layers.
double micro_batches_in_flight(const Parallelism& p, std::uint64_t rank) {
  const auto stages = static_cast<double>(p.pipeline);
  const auto after = stages - 1 - static_cast<double>(rank);
  const auto chunks = static_cast<double>(p.interleave);
  const auto batches = static_cast<double>(p.micro_batches);
  if (p.pipeline == 1) return 1;
  if (p.interleave == 1) return std::min(after + 1, batches);
  return std::min(2 * after + (chunks - 1) * stages + 1, batches * chunks) / chunks;
}

Count times(Count bytes, double factor) { return Count::rounded(bytes.as_double() * factor); }

Count of(const eager::ByKind& by_kind, eager::Kind kind) {
  return by_kind[static_cast<std::size_t>(kind)];
}

SavedActivations saved_activations(const Graph& graph, const eager::Step& step) {
  SavedActivations a;
  std::map<std::string, Count> by_type;
  std::vector<Count> own(graph.modules.size());
  for (const auto& s : step.saved) {
    if (s.label.module == eager::Label::kLoss) {
      a.loss += s.bytes;
      continue;
    }
    a.saved += s.bytes;
    own[s.label.module] += s.bytes;
    by_type[graph.modules[s.label.module].type] += s.bytes;
    if (s.kind == eager::Kind::weight_cast) a.weight_casts += s.bytes;
  }
  a.by_type.assign(by_type.begin(), by_type.end());
  std::stable_sort(a.by_type.begin(), a.by_type.end(),
                   [](const auto& x, const auto& y) { return x.second > y.second; });
  a.by_module = roll_up_modules(graph, std::move(own));
  for (const auto& input : step.inputs) a.input += input;
  return a;
}

// The batch and its targets where autograd keeps nothing, or a copy in another type, of them.
Count batch_beside(const eager::Step& step) {
  auto batch = of(step.start, eager::Kind::input);
  for (const auto& s : step.saved)
    if (s.kind == eager::Kind::input) batch = batch - s.bytes;
  return batch;
}

MemoryBytes bytes_of_step(const Graph& graph, const eager::StepOptions& options,
                          const eager::Step& step, const SavedActivations& saved) {
  MemoryBytes b;
  b.weights = of(step.start, eager::Kind::weight);
  b.kv_cache = of(step.start, eager::Kind::kv_cache);
  b.workspace = step.most_temporary + of(step.start, eager::Kind::buffer);
  if (options.training) {
    const auto used = eager::used_params(graph, options.stage);
    for (ParamId id = 0; id < graph.params.size(); ++id) {
      if (!used[id] || !learns(graph.params[id])) continue;
      b.gradients += eager::gradient_bytes(graph, id, options);
      b.optimizer += eager::optimizer_bytes(graph, id, options);
    }
    b.activations = saved.saved + saved.loss + options.waiting + batch_beside(step);
  } else {
    const auto& peak = step.highest().by_kind;
    b.activations = of(peak, eager::Kind::input) + of(peak, eager::Kind::activation) +
                    of(peak, eager::Kind::weight_cast);
  }
  const auto rest = b.total() - b.workspace;
  const auto highest = step.highest().bytes;
  if (highest > rest) b.workspace = std::max(b.workspace, highest - rest);
  return b;
}

// They keep their activations through everything that the simulated one does.
Count waiting_activations(const Graph& graph, eager::StepOptions once, double in_flight) {
  if (!once.training || in_flight <= 1) return 0;
  once.composition = once.allocator = once.record = false;
  return times(saved_activations(graph, eager::run_step(graph, once)).saved, in_flight - 1);
}

MemoryEstimate estimate_step(const Graph& graph, const MemoryOptions& options,
                             eager::StepOptions step_options, std::uint64_t rank) {
  const auto in_flight = micro_batches_in_flight(options.parallel, rank);
  step_options.waiting = waiting_activations(graph, step_options, in_flight);
  auto step = eager::run_step(graph, step_options);
  MemoryEstimate e;
  e.activations = saved_activations(graph, step);
  e.bytes = bytes_of_step(graph, step_options, step, e.activations);
  const auto& highest = step.highest();
  e.peak = {highest.bytes,
            highest.phase,
            path_of(graph, highest.label),
            std::string(highest.label.op),
            highest.by_kind,
            std::move(step.composition)};
  e.checkpointed = step_options.checkpoints.size();
  e.kept = std::move(step.saved);
  e.phases = std::move(step.peaks);
  e.timeline = std::move(step.points);
  if (step_options.allocator) e.allocator = step.allocator;
  e.record = std::move(step.record);
  e.pipeline_rank = rank;
  e.in_flight = in_flight;
  return e;
}

}  // namespace

MemoryEstimate estimate_memory(const Graph& graph, const MemoryOptions& options) {
  auto step = step_options(graph, options);
  const auto stages = pipeline_stages(graph, options.parallel);
  std::uint64_t most = 0;
  std::vector<Count> peaks;
  if (stages.size() > 1) {
    Count peak;
    for (std::uint64_t rank = 0; rank < stages.size(); ++rank) {
      step.stage = stages[rank];
      const auto e = estimate_step(graph, options, step, rank);
      peaks.push_back(e.peak.bytes);
      if (e.peak.bytes <= peak) continue;
      peak = e.peak.bytes;
      most = rank;
    }
  }
  step.stage = stages[most];
  step.composition = options.composition;
  auto estimate = estimate_step(graph, options, step, most);
  estimate.stage_peaks = std::move(peaks);
  return estimate;
}

Count needed_memory(const Graph& graph, const MemoryOptions& options) {
  auto quick = options;
  quick.composition = false;
  const auto e = estimate_memory(graph, quick);
  return e.allocator.value_or(e.peak.bytes);
}

}  // namespace vitals
