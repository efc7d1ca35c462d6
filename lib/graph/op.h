// The closed set of ops that a trace is made of. A plain struct each: what the op is, in PyTorch's
// terms. Its facts are a row in op_traits.h; the rules that are code (shape, own formulas, what
// autograd keeps, kernels) stand in the folder that needs them. A new op without a row, or without
// a rule that its row does not give, does not compile. Must not know modules, models or readings.
#pragma once

#include "core/dtype.h"
#include "core/shape.h"

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <variant>

namespace vitals::op {

// Data that enters the model: an image, token ids.
struct Input {
  Shape shape;
  DType dtype = DType::f32;
};

// A parameter or buffer used as a value (cls_token, pos_embed, LayerScale's gamma). The output is
// the parameter's own storage. params[0] is the parameter.
struct Parameter {
  Shape shape;
};

// A constant that the model computes once from the sizes (a mask, RoPE's tables). Its values change
// no count: `fill` writes them, row-major, for those who run the op; without it the model can only
// be counted.
struct Constant {
  Shape shape;
  DType dtype = DType::f32;
  std::function<void(std::span<float>)> fill = {};
};

// y = x W^T + b over the last dimension. W: [out, in]; params: weight, bias. A bias that is
// computed (BEiT's, of q, k and v) is input 1 instead.
struct Linear {
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  bool bias = true;
  bool transposed = false;  // W is stored as [in, out] (GPT-2's Conv1D)
};

// Every row through the experts that its router chose. Inputs: x [rows, in] or [rows, active, in],
// and the choice [rows, active]; output [rows, active, out]. W: [experts, out, in], or
// [experts, in, out] when transposed; params: weight, bias [experts, out]. Only the chosen experts
// work: rows * active products.
struct ExpertLinear {
  std::uint64_t experts = 0;
  std::uint64_t active = 0;
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  bool bias = false;
  bool transposed = false;
};

// Convolution over [B, C, spatial...]; one or two spatial dimensions. params: weight, bias.
struct Conv {
  using Extent = std::array<std::uint32_t, 2>;  // height, width; height 1 for one dimension
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  Extent kernel{1, 1};
  Extent stride{1, 1};
  Extent padding{0, 0};
  std::uint64_t groups = 1;
  bool bias = true;
  std::uint8_t spatial_dims = 2;
};

// Batched a[..., m, k] x b[..., k, n], batch dimensions broadcast.
struct MatMul {};

// Fused scaled dot-product attention over q [..., s, d], k [..., t, d], v [..., t, e]; then, where
// they are stated, an additive bias that broadcasts to [..., s, t] and one more key a head that has
// no value ([heads]). Heads of k and v that are fewer than those of q are shared by groups. Counts
// equal those of the written-out attention; only what it saves and its traffic differ.
struct Sdpa {
  double scale = 1.0;
  bool causal = false;  // the last query sees all keys, each one before it one less
  double dropout = 0.0;
  bool bias = false;
  bool sinks = false;
};

enum class BinaryKind : std::uint8_t { add, sub, mul, div };
// Elementwise with broadcasting.
struct Binary {
  BinaryKind kind = BinaryKind::add;
};

// x * factor with a Python scalar.
struct Scale {
  double factor = 1.0;
};

enum class ActivationKind : std::uint8_t {
  gelu,
  gelu_tanh,
  quick_gelu,
  silu,
  relu,
  relu_squared,
  tanh,
  sigmoid,
  softplus,
  exp,
  sin,
  cos
};
struct Activation {
  ActivationKind kind = ActivationKind::gelu;
};

// Over the last dimension.
struct Softmax {};

// The k largest of the last dimension, largest first, and where they stand (a router's choice of
// experts). The output are their values.
struct TopK {
  std::uint64_t k = 1;
};

// Input 0 with the entries that the boolean input 1 marks replaced by `value` (masked_fill, where).
struct MaskedFill {
  double value = -std::numeric_limits<double>::infinity();
};

// Over the last dimension; params: weight, bias when affine.
struct LayerNorm {
  double eps = 1e-6;
  bool affine = true;
  bool bias = true;
};

// Over the last dimension; params: weight when affine.
struct RmsNorm {
  double eps = 1e-6;
  bool affine = true;
};

// x + weight * (x n) + bias over [B, ..., C], where n is the Euclidean norm of a sample's channel
// over all positions, divided by eps plus its mean over the channels (ConvNeXt V2,
// arXiv:2301.00808, section 3.2). params: weight, bias.
struct GlobalResponseNorm {
  double eps = 1e-6;
};

// Only where it acts: a rate of zero, or evaluation, leaves no node.
struct Dropout {
  double rate = 0.0;
};

// Stochastic depth: whole samples are dropped.
struct DropPath {
  double rate = 0.0;
};

// Along `axis`, any number of inputs.
struct Concat {
  int axis = 0;
};

// Views. Reshape copies when the strides demand it (node.storage tells).
struct Reshape {
  Shape shape;
};
struct Expand {
  Shape shape;
};
struct Permute {
  Dims order;
};
// x[..., start : start + length, ...] along axis; `select` drops the axis (length 1).
struct Slice {
  int axis = 0;
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  bool select = false;
  bool piece = false;  // one result of torch.split, chunk or unbind; its siblings stand beside it
};

// Makes the memory contiguous: Tensor.contiguous, or what a product does to unfit strides itself.
struct Copy {
  bool implied = false;  // by the product that follows; no call of its own
};

// torch.roll: circular shift along two axes, each by its own distance (Swin's shifted windows).
struct Roll {
  std::array<std::int64_t, 2> shift{};
  int axis0 = 1;
  int axis1 = 2;
};

enum class ReduceKind : std::uint8_t { mean, sum, max };
// Over one axis.
struct Reduce {
  ReduceKind kind = ReduceKind::mean;
  int axis = 0;
  bool keep = false;
};

// Rows of a table by index. params[0]: table [rows, dim]; input: integer ids.
struct Embedding {
  std::uint64_t rows = 0;
  std::uint64_t dim = 0;
};

// Rows of a table by an index that is fixed by the sizes (relative position bias): `count` rows of
// input[0], a [rows, dim] value.
struct Gather {
  std::uint64_t count = 0;
  std::function<void(std::span<std::int64_t>)> rows = {};  // writes them, for those who run the op
};

// Rotary position embedding on the last `dim` features of q or k, x*cos + rotate(x)*sin; features
// before them pass unchanged. Input 1 holds the tables (a Constant or a computed value), [..., 2 *
// dim] with the sines before the cosines, leading dimensions broadcast over those of the input.
// rotate(x) pairs neighbours, (-x1, x0, -x3, x2, ...), or with `half` the halves, (-x[dim/2:],
// x[:dim/2]).
struct Rope {
  std::uint64_t dim = 0;
  bool half = false;
};

}  // namespace vitals::op

namespace vitals {

using Op =
    std::variant<op::Input, op::Parameter, op::Constant, op::Linear, op::ExpertLinear, op::Conv,
                 op::MatMul, op::Sdpa, op::Binary, op::Scale, op::Activation, op::Softmax, op::TopK,
                 op::MaskedFill, op::LayerNorm, op::RmsNorm, op::GlobalResponseNorm, op::Dropout,
                 op::DropPath, op::Concat, op::Reshape, op::Expand, op::Permute, op::Slice,
                 op::Copy, op::Roll, op::Reduce, op::Embedding, op::Gather, op::Rope>;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

// For a rule that several ops share.
template <class O, class... Ops>
concept OneOf = (std::same_as<O, Ops> || ...);

// The op's name in reports, snake_case as in fvcore and PyTorch: "linear", "layer_norm".
[[nodiscard]] std::string_view name_of(const Op& op);
[[nodiscard]] std::string_view name_of(op::ActivationKind kind);

// True for ops that hand out what is there (input, parameter, constant): they do no work.
[[nodiscard]] bool is_leaf(const Op& op);

}  // namespace vitals
