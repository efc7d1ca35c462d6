#include "memory/simulator/recipe.h"

#include <algorithm>

namespace vitals::eager {

Count part(Count bytes, std::uint64_t parts) { return (bytes + (parts - 1)) / parts; }

Count part(Count bytes, const Split& split) { return part(bytes * split.own, split.of); }

namespace {

bool runs_in(const Graph& graph, ModuleId module, const NodeRange& stage) {
  if (stage.end == 0) return true;
  return std::any_of(graph.calls.begin(), graph.calls.end(), [&](const Call& call) {
    return call.module == module && call.begin >= stage.begin && call.begin < stage.end;
  });
}

std::uint64_t bytes_of_gradient(const Precision& precision) {
  switch (precision.main_gradients) {
    case MainGradients::none:
      return size_of(precision.weights);
    case MainGradients::instead:
      return size_of(DType::f32);
    case MainGradients::at_step:
      return size_of(precision.weights) + size_of(DType::f32);
  }
  return 0;
}

}  // namespace

Count weight_bytes(const Graph& graph, ParamId param, const StepOptions& o) {
  const auto parts = o.tensor.split(param) * o.zero.parts(3);
  if (!o.stored_weights.empty() && !graph.params[param].buffer)
    return part(o.stored_weights[param], parts);
  const auto dtype = graph.params[param].dtype.value_or(o.precision.weights);
  return part(numel(graph.params[param]) * size_of(dtype), parts);
}

Count gradient_bytes(const Graph& graph, ParamId param, const StepOptions& o) {
  const auto parts = o.tensor.split(param) * o.zero.parts(2);
  return part(numel(graph.params[param]) * bytes_of_gradient(o.precision), parts);
}

Formula optimizer_formula(const Graph& graph, ParamId param, const StepOptions& o) {
  const auto& shape = graph.params[param].shape;
  auto formula = state_formula(o.optimizer, shape, o.precision.states);
  if (o.precision.master_weights)
    formula.plus(
        {{"elements", numel(shape).value()}, {"bytes of the master weight", size_of(DType::f32)}});
  return formula;
}

Count optimizer_bytes(const Graph& graph, ParamId param, const StepOptions& o) {
  return part(optimizer_formula(graph, param, o).value(), o.tensor.split(param) * o.zero.parts(1));
}

std::vector<bool> used_params(const Graph& graph, const NodeRange& stage) {
  if (stage.end == 0) return std::vector<bool>(graph.params.size(), true);
  std::vector<bool> used(graph.params.size());
  for (auto id = stage.begin; id < stage.end; ++id)
    for (const auto param : graph.nodes[id].params)
      if (param != kNone) used[param] = true;
  return used;
}

Count kv_cache_bytes(const Graph& graph, const StepOptions& options) {
  const auto dtype = options.precision.autocast ? options.settings.autocast.value_or(DType::f32)
                                                : options.precision.weights;
  const Count tokens = options.cached_tokens > 0 ? options.cached_tokens : graph.num_tokens;
  Count bytes;
  for (const auto& cache : graph.kv_caches) {
    if (!runs_in(graph, cache.module, options.stage)) continue;
    const auto whole =
        kv_cache_elements(cache, tokens, options.latent) * graph.batch * size_of(dtype);
    // Heads are shared out among tensor-parallel ranks, layers among pipeline stages; a latent has
    // no heads.
    const bool heads = options.latent == LatentCache::expanded || cache.compressed == 0;
    bytes += part(whole, heads ? options.tensor.split(cache) : 1);
  }
  return bytes;
}

}  // namespace vitals::eager
