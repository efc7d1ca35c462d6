// The field's rules of thumb for memory, as their papers and tools state them: what our exact
// figures are compared with. Knows formulas, no trace.
#pragma once

#include "core/count.h"

#include <cstdint>
#include <string_view>

namespace vitals::rules {

// 16-bit weights alone.
[[nodiscard]] inline Count inference_2phi(Count params) { return params * 2; }
// Megatron's fp16 recipe: 2 + 2 + 4 + 12 bytes a parameter.
[[nodiscard]] inline Count training_20phi(Count params) { return params * 20; }

// Model states a device under ZeRO: 16-bit weights and gradients, `k` bytes of optimizer states
// (12 for Adam), stage 0 to 3 over `ranks` (Rajbhandari et al. 2020, arXiv:1910.02054, figure 1).
[[nodiscard]] double zero_states(double params, double k, unsigned stage, double ranks);

// Activations of one transformer layer in a micro-batch, 16-bit with dropout (Korthikanti et al.
// 2022, arXiv:2205.05198, table 2).
struct Layer {
  double tokens = 0;  // s
  double batch = 0;   // b
  double hidden = 0;  // h
  double heads = 0;   // a
};
enum class Recompute : std::uint8_t { none, selective, full };
[[nodiscard]] double layer_activations(const Layer& layer, double tensor_parallel,
                                       bool sequence_parallel, Recompute recompute);

// What the first stage of a pipeline of p keeps of L layers: as many micro-batches are in flight as
// there are stages, so all L layers' worth; with m > 1 interleaved chunks a rank, 1 + (p - 1)/(p m)
// of it (the same paper, section 4.2.3, equation 5).
[[nodiscard]] double first_stage_activations(double layer_bytes, double layers, double pipeline,
                                             double chunks);

// DeepSpeed's estimators of model states on a GPU without offload
// (deepspeed/runtime/zero/stage_1_and_2.py and stage3.py): 2P + 18P/N; 4 * largest layer + 18P/N.
[[nodiscard]] double deepspeed_zero2(double params, double gpus);
[[nodiscard]] double deepspeed_zero3(double params, double largest_layer, double gpus);

}  // namespace vitals::rules
