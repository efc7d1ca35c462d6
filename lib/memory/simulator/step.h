// One training step or one inference of a trace, as PyTorch eager would allocate it: forward with
// the lifetimes of Python's frames, loss, backward, optimizer step. Knows the trace's ops, no
// architecture.
#pragma once

#include "memory/simulator/recipe.h"

#include <optional>
#include <vector>

namespace vitals::eager {

// A storage that autograd holds at the end of the forward pass, under its first saver.
struct Saved {
  Label label;
  Kind kind = Kind::activation;
  Count bytes;
  Meta meta;      // of the tensor that was saved; the storage may be larger
  Label made_by;  // who allocated the storage
};

struct Step {
  ByKind start{};             // live before the forward pass
  std::vector<Count> inputs;  // of the model, without the targets
  std::vector<Saved> saved;
  std::vector<Peak> peaks;  // one a phase
  Count most_temporary;     // the largest sum of temporaries at one moment
  std::vector<Point> points;
  std::vector<Memory::Piece> composition;
  MemoryRecord record;  // if it was asked for
  Count allocator;      // what the caching allocator needs, if it was asked for

  [[nodiscard]] const Peak& highest() const;
};

// The linear layer that makes the logits, behind it only what scales them: a fused loss takes its
// place. Nothing where the model ends otherwise.
[[nodiscard]] std::optional<NodeId> head_of(const Graph& graph);

[[nodiscard]] Step run_step(const Graph& graph, const StepOptions& options);

}  // namespace vitals::eager
