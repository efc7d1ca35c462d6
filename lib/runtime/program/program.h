// The trace as a backend runs it: steps in order, each one kernel on strided views of buffers. A
// rewrite of the trace that leaves its counts and its paths: every op is done by the steps of
// exactly one op, its host. Data alone; must not know addresses, weights' values or threads.
#pragma once

#include "graph/graph.h"
#include "runtime/kernels/attention.h"
#include "runtime/kernels/row_ops.h"

#include <variant>
#include <vector>

namespace vitals {

using BufferId = std::uint32_t;

// Memory of one element type. Either in the arena, for as long as the steps that touch it, or
// fixed: computed once from parameters and constants, and kept beside the weights.
struct Buffer {
  std::uint64_t elements = 0;
  DType dtype = DType::f32;
  NodeId fixed = kNone;  // the op whose value it holds, row-major
  bool pinned = false;   // in the arena from the first step to the last: inputs and outputs

  [[nodiscard]] bool in_arena() const { return fixed == kNone; }
};

// Where a value lies; offset and strides in elements.
struct View {
  BufferId buffer = kNone;
  std::uint64_t offset = 0;
  Shape shape;
  Strides strides;
};

namespace step {

// Patches of an image [B, C, H, W] as rows [B * h * w, C * patch_h * patch_w].
struct Patches {
  std::uint64_t height = 0;
  std::uint64_t width = 0;
};

// y = residual + gamma * (multiplier * act(x W^T + b)). Views are matrices: x, then the multiplier
// and the residual where they are there.
struct Linear {
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  bool transposed = false;  // W is stored as [in, out]
  ParamId weight = kNone;
  ParamId bias = kNone;
  View fixed_bias = {};  // a bias that is computed from parameters, else its buffer is kNone
  ParamId gamma = kNone;
  vitals::Activation activation = vitals::Activation::kIdentity;
  bool multiplier = false;
  bool residual = false;
};

// Over images [B, C, H, W] whose channels lie last, densely; a kernel for each channel.
struct Depthwise {
  op::Conv::Extent kernel{1, 1};
  op::Conv::Extent stride{1, 1};
  op::Conv::Extent padding{0, 0};
  ParamId weight = kNone;
  ParamId bias = kNone;
};

// q [B, H, s, d], k [B, G, t, d], v [B, G, t, e] and, fourth, an fp32 bias [B, H, s, t].
struct Attention {
  double scale = 1.0;
  bool causal = false;
};

struct Norm {
  ParamId weight = kNone;
  ParamId bias = kNone;
  double eps = 0;
  bool center = true;  // false: RMSNorm
};

struct Softmax {};

// scale * act(x)
struct Unary {
  vitals::Activation activation = vitals::Activation::kIdentity;
  double scale = 1.0;
};

// The activations that only few models have, by a plain loop.
struct Map {
  op::Unary function;
};

// act(a) op b, all three views of one shape (a repeated dimension has stride 0).
struct Binary {
  BinaryOp op = BinaryOp::kAdd;
  vitals::Activation activation = vitals::Activation::kIdentity;
};

// Between two views of one shape; casts.
struct Copy {};

// [groups, count, columns] -> [groups, columns]
struct Reduce {
  op::ReduceKind kind = op::ReduceKind::mean;
};

// a [batch..., m, k], b [batch..., k, n] in fp32; batch dimensions of both are the output's.
struct MatMul {};

// x and the tables, both seen as [..., features]; as op::Rope.
struct Rope {
  std::uint64_t dim = 0;
  bool half = false;
};

// Rows of the parameter [rows, dim] by the int64 ids that are the input.
struct Lookup {
  ParamId table = kNone;
  std::uint64_t rows = 0;
};

// The op itself by its reference kernel, on fp32 and one thread: what no kernel is worth writing
// for.
struct Reference {};

}  // namespace step

using StepKind =
    std::variant<step::Patches, step::Linear, step::Depthwise, step::Attention, step::Norm,
                 step::Softmax, step::Unary, step::Map, step::Binary, step::Copy, step::Reduce,
                 step::MatMul, step::Rope, step::Lookup, step::Reference>;

struct Step {
  NodeId node = 0;  // the host: the op that the step is part of
  StepKind kind;
  std::vector<View> in;
  View out;
  std::vector<std::size_t>
      overwrites;  // inputs whose place the output may take, element by element
};

struct Program {
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::vector<View> value;   // by NodeId; without a buffer for ops that are done within their host
  std::vector<NodeId> host;  // by NodeId: whose steps do its work; kNone where there is none to do
};

// Bytes of parameters that a step reads.
[[nodiscard]] Count weight_bytes_of(const Graph& graph, const Step& step, Element weights);

// Bytes that a step must move: what it reads (weights too, a repeated element once) and writes.
[[nodiscard]] Count bytes_of(const Graph& graph, const Program& program, const Step& step,
                             Element weights);

}  // namespace vitals
