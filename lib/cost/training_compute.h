// The rules by which the field estimates the compute of training a language model, each with its
// paper, to stand beside the exact count of the trace. In FLOPs, two for a multiply-accumulate; as
// floating-point numbers, since a whole training takes more than 2^64 of them.
#pragma once

#include "cost/training_flops.h"

namespace vitals {

// A day at 10^15 FLOP/s (Brown et al. 2020, arXiv:2005.14165, appendix D).
inline constexpr double kPetaflopDay = 8.64e19;

// What the rules ask of a model.
struct TrainingSizes {
  double params = 0;  // that work for a token: of the experts only the chosen ones
  double layers = 0;
  double heads = 0;
  double head_dim = 0;
  double tokens = 0;  // of a sequence
};

// 6 N per token: 2 forward, 4 backward (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
// Encoders and decoders whose parameters see half of the tokens take 3 (arXiv:2005.14165, appendix
// D).
[[nodiscard]] double kaplan_flops(double params, double tokens, double per_param = 6);

// 6 N + 12 L H Q T per token, attention included (Chowdhery et al. 2022, arXiv:2204.02311,
// appendix B).
[[nodiscard]] double palm_flops_per_token(const TrainingSizes& sizes);

// Sizes of a GPT in the names of Korthikanti et al. 2022 (arXiv:2205.05198).
struct MegatronSizes {
  double layers = 0;
  double hidden = 0;
  double tokens = 0;  // s
  double vocab = 0;
  double batch = 0;  // B, all micro-batches
};

// Equation 7, forward and backward of an iteration: 72 B L s h^2 (1 + s/6h + v/12hL).
[[nodiscard]] double megatron_model_flops(const MegatronSizes& sizes);
// Equation 8, with the cores of attention run again: 72 B L s h^2 (1 + s/3h + v/12hL).
[[nodiscard]] double megatron_hardware_flops(const MegatronSizes& sizes);

// A training on `tokens` tokens in sequences of the trace's length, by the trace and by the rules.
struct TrainingCompute {
  double tokens = 0;
  double active_params = 0;
  double exact = 0;  // forward, backward and what is run again, op by op
  double kaplan = 0;
  double palm = 0;  // its attention term from the trace's own products
};

// Of a graph that was built for training.
[[nodiscard]] TrainingCompute training_compute(const Graph& graph,
                                               ActivationCheckpointing checkpoint, double tokens);

}  // namespace vitals
