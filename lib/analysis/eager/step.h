// One training step or one inference of a trace, as PyTorch eager would allocate it: forward with
// the lifetimes of Python's frames, loss, backward, optimizer step. Knows the trace's ops, no
// architecture.
#pragma once

#include "analysis/eager/aten.h"
#include "analysis/optimizer.h"
#include "analysis/precision.h"

#include <vector>

namespace vitals::eager {

// Nodes [begin, end) that are run without recording and run again in the backward pass
// (torch.utils.checkpoint; Chen et al. 2016, arXiv:1604.06174).
struct Region {
  NodeId begin = 0;
  NodeId end = 0;
};

struct StepOptions {
  Settings settings;
  Precision precision;
  Optimizer optimizer;
  bool training = true;
  bool cross_entropy = true;
  bool keep_gradients = false;  // allocated through the forward pass, as without set_to_none
  std::vector<Region> checkpoints;
  std::uint64_t rounding = 1;
  bool composition = false;  // list what is live at the highest moment
};

// A storage that autograd holds at the end of the forward pass, under its first saver.
struct Saved {
  Label label;
  Kind kind = Kind::activation;
  Count bytes;
};

struct Step {
  ByKind start{};             // live before the forward pass
  std::vector<Count> inputs;  // of the model, without the targets
  std::vector<Saved> saved;
  std::vector<Peak> peaks;  // one a phase
  Count most_temporary;     // the largest sum of temporaries at one moment
  std::vector<Point> points;
  std::vector<Memory::Piece> composition;

  [[nodiscard]] const Peak& highest() const;
};

[[nodiscard]] Step run_step(const Graph& graph, const StepOptions& options);

// Bytes of a parameter's gradient, optimizer states and master weight under a recipe.
[[nodiscard]] Count gradient_bytes(const Param& param, const Precision& precision);
[[nodiscard]] Count optimizer_bytes(const Param& param, const StepOptions& options);
// Keys and values of all tokens of the trace: 2 L b min(s, window) kv_heads head_dim bytes.
[[nodiscard]] Count kv_cache_bytes(const Graph& graph, const StepOptions& options);

}  // namespace vitals::eager
