// Which ops of a trace one kernel can do together: a dense layer with the activation, gate,
// LayerScale and residual that follow it, and an activation with the product that it gates.
// Must not know of memory or of how kernels are called.
#pragma once

#include "graph/graph.h"
#include "runtime/kernels/kernel_table.h"

#include <optional>
#include <unordered_map>
#include <vector>

namespace vitals {

// y = residual + gamma * (multiplier * act(x W^T + b)), each part where there is one.
struct LinearChain {
  NodeId head = 0;  // the Linear
  NodeId tail = 0;  // its last op: where the whole chain is computed, and whose value it gives
  Activation activation = Activation::kIdentity;
  NodeId multiplier = kNone;
  ParamId gamma = kNone;
  NodeId residual = kNone;
};

struct Fusion {
  std::vector<NodeId> host;                        // by NodeId: itself, unless done within another
  std::unordered_map<NodeId, LinearChain> chains;  // by tail
  std::unordered_map<NodeId, NodeId> gated;        // product -> the activation of its first operand
};

// The kernel's name for an activation; nothing for those that no kernel has.
[[nodiscard]] std::optional<Activation> kernel_activation(op::ActivationKind kind);

// `kept`, by NodeId: values that must exist for themselves.
[[nodiscard]] Fusion fuse(const Graph& graph, const std::vector<bool>& kept);

}  // namespace vitals
