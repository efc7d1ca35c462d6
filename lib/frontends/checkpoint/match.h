// Lays a checkpoint beside a trace: which stored tensor is which parameter, and which tensors are
// missing, unexpected or of another shape. Knows the general habits of checkpoints (a model's
// prefix that is there or not, tied weights, buffers), and no family of models: those come as a
// table.
#pragma once

#include "frontends/checkpoint/checkpoint.h"
#include "graph/checkpoint_keys.h"
#include "graph/graph.h"

#include <string>
#include <vector>

namespace vitals {

struct CheckpointFit {
  struct Expected {
    std::string name;  // as the checkpoint should store it
    Shape shape;
  };
  struct Mismatch {
    Expected expected;
    const StoredTensor* found = nullptr;
  };

  // By ParamId: the tensors that make up the parameter, one after another along its first
  // dimension. Empty for what is missing, and for buffers that are not stored.
  std::vector<std::vector<const StoredTensor*>> parts;
  std::vector<Expected> missing;
  std::vector<const StoredTensor*> unexpected;
  std::vector<Mismatch> mismatched;
  std::size_t matched = 0;
  std::vector<const StoredTensor*> left_out;  // no fault: buffers, other heads of the model
  std::string added_prefix;                   // the checkpoint's names lack it: "transformer."
  std::string dropped_prefix;                 // they have it, the model's do not: "bert."

  [[nodiscard]] bool fits() const {
    return missing.empty() && unexpected.empty() && mismatched.empty();
  }
};

// The fit points into the checkpoint.
[[nodiscard]] CheckpointFit fit(const Graph& graph, const Checkpoint& checkpoint,
                                const CheckpointKeys& keys = {});

}  // namespace vitals
