#include "rules/model_sizes.h"

#include <algorithm>

namespace vitals {
namespace {

bool is_attention(Role role) { return role >= Role::query && role <= Role::attention_output; }
bool is_feed_forward(Role role) { return role >= Role::gate && role <= Role::down; }

void measure_layer(const Graph& graph, ModuleId layer, ModelSizes& sizes) {
  const auto facts = layer_facts(graph, layer);
  sizes.feed_forward = facts.inner;
  sizes.experts = facts.experts;
  for (const auto& call : graph.calls) {
    if (call.module != layer || call.outputs.empty()) continue;
    const auto& shape = graph.nodes[call.outputs.front()].shape;
    // Channels are the last dimension in transformers, not in convolutional models: a norm tells.
    sizes.hidden = facts.width != 0 ? facts.width : shape[shape.rank() - 1];
    sizes.tokens = (numel(shape).value() / sizes.hidden) / sizes.batch;
    break;
  }
}

}  // namespace

LayerFacts layer_facts(const Graph& graph, ModuleId layer) {
  LayerFacts facts;
  for (const auto& param : graph.params) {
    if (param.buffer || enclosing(graph, param.module, Role::layer) != layer) continue;
    facts.experts = std::max<std::uint64_t>(facts.experts, param.experts);
    if (param.bias) {
      facts.attention_bias |= is_attention(param.role);
      facts.feed_forward_bias |= is_feed_forward(param.role);
      facts.norm_bias |= param.role == Role::norm;
      continue;
    }
    facts.gated |= param.role == Role::gate || param.role == Role::gate_up;
    if (param.role == Role::norm) {
      ++facts.norms;
      facts.width = std::max<std::uint64_t>(facts.width, param.shape[0]);
    }
    if (param.role == Role::down) facts.inner = param.shape[param.shape.rank() - 1];
  }
  return facts;
}

ModelSizes model_sizes(const Graph& graph) {
  ModelSizes sizes;
  sizes.batch = graph.batch;
  ModuleId first = kNone;
  for (ModuleId id = 0; id < graph.modules.size(); ++id) {
    const auto& module = graph.modules[id];
    if (module.role == Role::layer && sizes.layers++ == 0) first = id;
    if (module.role == Role::attention && module.heads.query != 0 && sizes.heads == 0) {
      sizes.heads = module.heads.query;
      sizes.kv_heads = module.heads.key;
    }
  }
  for (const auto& param : graph.params) {
    if (param.role == Role::embedding && sizes.vocab == 0) sizes.vocab = param.shape[0];
    const bool cuts = param.role == Role::patch_embedding && param.shape.rank() == 4;
    if (cuts && sizes.patch.empty()) sizes.patch = {param.shape[2], param.shape[3]};
  }
  if (first != kNone) measure_layer(graph, first, sizes);
  return sizes;
}

}  // namespace vitals
