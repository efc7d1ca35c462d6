#include "cost/rules_of_thumb.h"

namespace vitals::rules {

double zero_states(double params, double k, unsigned stage, double ranks) {
  const double weights = 2 * params / (stage >= 3 ? ranks : 1);
  const double gradients = 2 * params / (stage >= 2 ? ranks : 1);
  const double states = k * params / (stage >= 1 ? ranks : 1);
  return weights + gradients + states;
}

double layer_activations(const Layer& l, double t, bool sequence_parallel, Recompute recompute) {
  const double sbh = l.tokens * l.batch * l.hidden;
  if (recompute == Recompute::full) return 2 * sbh;
  const double scores = recompute == Recompute::selective ? 0 : 5 * l.heads * l.tokens / l.hidden;
  if (sequence_parallel) return sbh * (34 + scores) / t;
  return sbh * (10 + (24 + scores) / t);
}

double first_stage_activations(double layer_bytes, double layers, double pipeline, double chunks) {
  const double interleaved = chunks > 1 ? 1 + (pipeline - 1) / (pipeline * chunks) : 1;
  return layer_bytes * layers * interleaved;
}

double deepspeed_zero2(double params, double gpus) { return 2 * params + 18 * params / gpus; }

double deepspeed_zero3(double params, double largest_layer, double gpus) {
  return 4 * largest_layer + 18 * params / gpus;
}

}  // namespace vitals::rules
