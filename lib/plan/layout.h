// A training run of a decoder-only language model on many GPUs: its sizes, and how it is laid out
// over them. Plain data.
#pragma once

#include <cstdint>
#include <string>

namespace vitals::plan {

// Sizes of the model; 0 where it has no such part.
struct TrainedModel {
  std::string name;
  double layers = 0;
  double hidden = 0;
  double heads = 0;
  double kv_heads = 0;
  double head_dim = 0;
  double ffn = 0;  // of a dense layer
  bool gated = false;
  double vocab = 0;
  bool tied = false;
  double experts = 0;
  double topk = 0;
  double moe_ffn = 0;
  double shared_ffn = 0;
  double dense_layers = 0;  // first layers without experts
  // Latent attention (MLA); kv_lora 0: none.
  double q_lora = 0;
  double kv_lora = 0;
  double nope_dim = 0;
  double rope_dim = 0;
  double v_dim = 0;
  double mtp = 0;     // extra prediction layers
  double window = 0;  // in every second layer
  double seq_len = 0;
};

enum class Recompute : std::uint8_t { none, selective, full };

struct Layout {
  double gpus = 1;
  double gpus_per_node = 8;
  double dp = 1;  // contains ep
  unsigned zero = 0;
  double tp = 1;
  bool sp = false;
  double pp = 1;
  double vpp = 1;
  double cp = 1;
  double ep = 1;
  double etp = 1;
  double micro_batch = 1;
  double micro_batches = 1;
  Recompute recompute = Recompute::none;
  std::string precision = "bf16";  // bf16, fp16, fp8, mxfp8, nvfp4
  std::string framework;
  bool flash = true;      // attention does not write its scores
  bool compiled = false;  // elementwise operations are fused
  double network = 0;     // bytes per second of a GPU to other nodes, one way
  double domain = 8;      // GPUs behind the fast link
};

}  // namespace vitals::plan
