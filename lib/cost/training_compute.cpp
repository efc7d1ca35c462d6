#include "cost/training_compute.h"

#include "cost/macs.h"
#include "cost/rollup.h"

namespace vitals {
namespace {

// 72 B L s h^2 (1 + s / (share * h) + v / (12 h L)); attention's share is 6 when it is run once.
double megatron_flops(const MegatronSizes& m, double share) {
  const double rest = m.tokens / (share * m.hidden) + m.vocab / (12 * m.hidden * m.layers);
  return 72 * m.batch * m.layers * m.tokens * m.hidden * m.hidden * (1 + rest);
}

}  // namespace

double kaplan_flops(double params, double tokens, double per_param) {
  return per_param * params * tokens;
}

double palm_flops_per_token(const TrainingSizes& s) {
  return 6 * s.params + 12 * s.layers * s.heads * s.head_dim * s.tokens;
}

double megatron_model_flops(const MegatronSizes& sizes) { return megatron_flops(sizes, 6); }
double megatron_hardware_flops(const MegatronSizes& sizes) { return megatron_flops(sizes, 3); }

TrainingCompute training_compute(const Graph& graph, ActivationCheckpointing checkpoint,
                                 double tokens) {
  Count attention;
  for (const auto& node : graph.nodes) {
    const bool product =
        std::holds_alternative<op::MatMul>(node.op) || std::holds_alternative<op::Sdpa>(node.op);
    if (product) attention += macs(graph, node);
  }
  const double seen = (Count(graph.batch) * graph.num_tokens).as_double();
  TrainingCompute t;
  t.tokens = tokens;
  t.active_params = active_parameters(graph).as_double();
  t.exact = training_flops(graph, checkpoint).total().as_double() / seen * tokens;
  t.kaplan = kaplan_flops(t.active_params, tokens);
  t.palm = t.kaplan + 6 * attention.as_double() / seen * tokens;
  return t;
}

}  // namespace vitals
