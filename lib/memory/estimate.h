// What training and inference take, from the trace: weights, gradients, optimizer states, what
// autograd keeps, temporaries, and the highest moment of a step with its place and composition.
// Predicts PyTorch eager. Knows recipes and the simulation, no architecture and no output format.
#pragma once

#include "cost/rollup.h"
#include "graph/recomputation.h"
#include "memory/simulator/step.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vitals {

// Over how many devices, and what each of them holds.
struct Parallelism {
  std::uint64_t data = 1;  // ranks that see other samples
  unsigned zero = 0;       // ZeRO's stage over them
  unsigned fsdp = 0;       // or fully sharded data parallel, version 1 or 2; 0: neither
  std::uint64_t tensor = 1;
  bool sequence = false;
  std::uint64_t pipeline = 1;
  std::uint64_t interleave = 1;  // chunks of the model a pipeline rank
  std::uint64_t micro_batches = 1;

  [[nodiscard]] Count devices() const { return Count(data) * tensor * pipeline; }
};

struct MemoryOptions {
  bool training = true;
  Precision precision;
  Optimizer optimizer;
  eager::Device device = eager::Device::cuda;
  Stack stack = vitals::stack("pytorch-1.13");
  OptimizerImpl optimizer_impl = OptimizerImpl::loop;
  Loss loss = Loss::cross_entropy;
  Transformers transformers = Transformers::v4_48;
  std::optional<DType> amp_dtype = {};  // of autocast; nothing: float16, on a CPU bfloat16
  bool fused_norm = false;
  bool fused_lora = false;
  bool keep_gradients = false;
  ActivationCheckpointing checkpoint = ActivationCheckpointing::none;
  Parallelism parallel;
  // Of a model that generates, in inference: tokens that its cache holds at the end (0: those of
  // the trace), allocated ahead as a static cache is; and the form in which latent attention keeps
  // them.
  std::uint64_t cached_tokens = 0;
  LatentCache latent = LatentCache::expanded;
  const BlockFormat* cache_format = nullptr;  // of keys and values; null: the type of the products
  eager::PackedWeights packed;                // weights that are stored quantised
  bool composition = true;                    // what fills the peak; costs a second run
  eager::Offload offload = {};                // what lies on the host
  bool record = false;                        // keep every allocation and release of the step
  bool allocator = false;                     // replay PyTorch's caching allocator
  // Only as far as needed to know whether it fits into this: `allocator` of the estimate is then
  // any value on the same side of it.
  std::optional<Count> budget = {};
};

// What matrix products run in: keys and values are kept in it.
[[nodiscard]] DType product_type(const MemoryOptions& options);
// What the cache of keys and values is stored in.
[[nodiscard]] BlockFormat cache_format(const MemoryOptions& options);

// The sum of the parts; they need not be live at one moment.
struct MemoryBytes {
  Count weights;
  Count gradients;
  Count optimizer;
  Count activations;  // training: kept for the backward pass by the model and the loss; the batch
  // The largest sum of temporaries at one moment, and buffers; where the highest moment holds more
  // that is in no other part (values that nothing keeps), that: the total is never below the peak.
  Count workspace;
  Count kv_cache;

  [[nodiscard]] Count total() const {
    return weights + gradients + optimizer + activations + workspace + kv_cache;
  }
};

struct SavedActivations {
  Count saved;         // by autograd at the end of the forward pass, the loss's own part left out
  Count input;         // the batch that enters the model
  Count loss;          // what the loss keeps
  Count weight_casts;  // the part of `saved` that is autocast's copies of weights
  std::vector<std::pair<std::string, Count>> by_type;  // of the first saver's module; sums to saved
  Rollup by_module;
};

struct MemoryPeak {
  Count bytes;
  eager::Phase phase = eager::Phase::forward;
  std::string at;  // path of the module or parameter, or <loss>
  std::string op;
  eager::ByKind by_kind{};
  std::vector<eager::Memory::Piece> pieces;
};

struct MemoryEstimate {
  MemoryBytes bytes;
  SavedActivations activations;
  std::vector<eager::Saved> kept;  // one by one, in the order of saving
  MemoryPeak peak;
  std::vector<eager::Peak> phases;
  std::vector<eager::Point> timeline;
  std::size_t checkpointed = 0;  // regions that are run again
  std::uint64_t pipeline_rank = 0;
  std::vector<Count> stage_peaks;  // of each pipeline stage, where there are several
  // What PyTorch's caching allocator needs in order to run the step again and again, where the
  // options ask for it.
  std::optional<Count> allocator;
  eager::MemoryRecord record;  // where the options ask for it
  double in_flight = 1;        // micro-batches whose activations wait for their backward pass
};

// Of the most loaded device. `graph` must have been built in the mode that the options state
// (training or not) and with the samples of one micro-batch. Throws Error for a split that does not
// divide the model.
[[nodiscard]] MemoryEstimate estimate_memory(const Graph& graph, const MemoryOptions& options);

// The allocator's need, or the peak where the options do not ask for it: what a search over batch
// sizes asks for. With a budget in the options: any value on the same side of it.
[[nodiscard]] Count needed_memory(const Graph& graph, const MemoryOptions& options);

}  // namespace vitals
