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

std::uint64_t bytes_of_gradient(MainGradients main, DType weights) {
  switch (main) {
    case MainGradients::none:
      return size_of(weights);
    case MainGradients::instead:
      return size_of(DType::f32);
    case MainGradients::at_step:
      return size_of(weights) + size_of(DType::f32);
  }
  return 0;
}

}  // namespace

// accelerate's prepare_model makes what FSDP trains under autocast fp32 (accelerator.py).
DType stored_dtype(const Graph& graph, ParamId id, const StepOptions& o) {
  const auto& param = graph.params[id];
  if (param.dtype) return *param.dtype;
  const bool wide = o.fsdp > 0 && o.stack.fp32_shards && o.precision.autocast && learns(param);
  return wide ? DType::f32 : o.precision.weights;
}

// FSDP's mixed precision gathers floating weights in autocast's type.
DType compute_dtype(const Graph& graph, ParamId id, const StepOptions& o) {
  const auto stored = stored_dtype(graph, id, o);
  if (o.fsdp > 0 && o.precision.autocast && is_floating(stored) && !is_whole(graph, id, o))
    return o.settings.autocast.value_or(stored);
  return stored;
}

// torch.optim: states are zeros_like(parameter).
DType state_dtype(const Graph& graph, ParamId id, const StepOptions& o) {
  return o.precision.master_weights ? o.precision.states : stored_dtype(graph, id, o);
}

Count weight_bytes(const Graph& graph, ParamId param, const StepOptions& o) {
  if (on_host(graph, param, o)) return 0;
  const auto parts = pieces(graph, param, o, 3);
  const auto& p = o.packed;
  if (p.is_packed(param) && param < p.per_rank.size()) {
    const auto whole = p.per_rank[param];
    return part(p.stored[param] - whole, parts) + part(whole, o.tensor.split(param));
  }
  const bool listed = param < p.stored.size() && !graph.params[param].buffer;
  if (listed && !graph.params[param].dtype) return part(p.stored[param], parts);
  return part(numel(graph.params[param]) * size_of(stored_dtype(graph, param, o)), parts);
}

Count gathered_bytes(const Graph& graph, ParamId param, const StepOptions& o) {
  const auto split = o.tensor.split(param);
  if (o.packed.is_packed(param) && param < o.packed.per_rank.size())
    return part(o.packed.stored[param] - o.packed.per_rank[param], split);
  return part(numel(graph.params[param]) * size_of(compute_dtype(graph, param, o)), split);
}

Count gradient_bytes(const Graph& graph, ParamId param, const StepOptions& o) {
  if (gradients_on_host(graph, param, o)) return 0;
  const auto parts = pieces(graph, param, o, 2);
  const auto each = bytes_of_gradient(o.precision.main_gradients, stored_dtype(graph, param, o));
  return part(numel(graph.params[param]) * each, parts);
}

Formula optimizer_formula(const Graph& graph, ParamId param, const StepOptions& o) {
  const auto& shape = graph.params[param].shape;
  if (o.offload.steps_on_host()) return {};
  auto optimizer = optimizer_for(o.optimizer, graph.params[param]);
  if (o.stack.step_on_host) optimizer.step_bytes = 0;
  auto formula = state_formula(optimizer, shape, state_dtype(graph, param, o));
  if (o.precision.master_weights)
    formula.plus(
        {{"elements", numel(shape).value()}, {"bytes of the master weight", size_of(DType::f32)}});
  return formula;
}

Count optimizer_bytes(const Graph& graph, ParamId param, const StepOptions& o) {
  return part(optimizer_formula(graph, param, o).value(), pieces(graph, param, o, 1));
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
    const auto elements = kv_cache_elements(cache, tokens, options.latent) * graph.batch;
    const auto whole = options.cache_format != nullptr ? bytes_of(*options.cache_format, elements)
                                                       : elements * size_of(dtype);
    // Heads are shared out among tensor-parallel ranks, layers among pipeline stages; a latent has
    // no heads.
    const bool heads = options.latent == LatentCache::expanded || cache.compressed == 0;
    bytes += part(whole, heads ? options.tensor.split(cache) : 1);
  }
  return bytes;
}

}  // namespace vitals::eager
