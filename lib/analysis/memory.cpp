#include "analysis/memory.h"

#include <algorithm>
#include <map>

namespace vitals {
namespace {

eager::StepOptions step_options(const Graph& graph, const MemoryOptions& o) {
  eager::StepOptions step;
  step.settings.device = o.device;
  if (o.precision.autocast)
    step.settings.autocast = o.device == eager::Device::cpu ? DType::bf16 : DType::f16;
  step.precision = o.precision;
  step.optimizer = o.optimizer;
  step.training = o.training;
  step.cross_entropy = o.cross_entropy;
  step.keep_gradients = o.keep_gradients;
  for (const auto& range : checkpoint_ranges(graph, o.checkpoint))
    step.checkpoints.push_back({range.begin, range.end});
  return step;
}

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

MemoryBytes bytes_of_step(const Graph& graph, const MemoryOptions& options,
                          const eager::StepOptions& step_options, const eager::Step& step,
                          const SavedActivations& saved) {
  MemoryBytes b;
  b.weights = of(step.start, eager::Kind::weight);
  if (!options.training) b.kv_cache = eager::kv_cache_bytes(graph, step_options);
  b.workspace = step.most_temporary + of(step.start, eager::Kind::buffer);
  if (options.training) {
    for (const auto& param : graph.params) {
      if (param.buffer || !param.trainable) continue;
      b.gradients += eager::gradient_bytes(param, options.precision);
      b.optimizer += eager::optimizer_bytes(param, step_options);
    }
    b.activations = saved.saved + saved.loss;
  } else {
    const auto& peak = step.highest().by_kind;
    b.activations = of(peak, eager::Kind::input) + of(peak, eager::Kind::activation) +
                    of(peak, eager::Kind::weight_cast);
  }
  return b;
}

}  // namespace

MemoryEstimate estimate_memory(const Graph& graph, const MemoryOptions& options) {
  auto step_opts = step_options(graph, options);
  step_opts.composition = options.composition;
  auto step = eager::run_step(graph, step_opts);
  MemoryEstimate e;
  e.activations = saved_activations(graph, step);
  e.bytes = bytes_of_step(graph, options, step_opts, step, e.activations);
  const auto& highest = step.highest();
  e.peak = {highest.bytes,
            highest.phase,
            path_of(graph, highest.label),
            std::string(highest.label.op),
            highest.by_kind,
            std::move(step.composition)};
  e.checkpointed = step_opts.checkpoints.size();
  e.phases = std::move(step.peaks);
  e.timeline = std::move(step.points);
  return e;
}

Count peak_memory(const Graph& graph, const MemoryOptions& options) {
  return eager::run_step(graph, step_options(graph, options)).highest().bytes;
}

}  // namespace vitals
