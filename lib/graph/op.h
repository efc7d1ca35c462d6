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
#include <string>
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

// An operator that has no rules here, with what a front end knows of it: its type
// ("NonMaxSuppression"), its result and its multiply-accumulates. Any inputs and parameters. With
// `known`, `macs` is all that it multiplies; without, its work is unknown, and all totals of the
// model are lower bounds.
struct Opaque {
  std::string type;
  Shape shape;
  DType dtype = DType::f32;
  std::uint64_t macs = 0;
  bool known = false;
};

// A further result of the op that makes input 0 (the indices of TopK, the last state of an LSTM),
// since a node has one result. Its work is that op's.
struct SideOutput {
  Shape shape;
  DType dtype = DType::f32;
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

// Sizes along one, two or three spatial dimensions, the first ones of three: [length], [height,
// width], [depth, height, width].
using Extent = std::array<std::uint32_t, 3>;

// Convolution over [B, C, spatial...] with one to three spatial dimensions. params: weight [out,
// in/groups, kernel...], bias. Transposed (torch.nn.ConvTranspose): weight [in, out/groups,
// kernel...]; the result has (size - 1) stride + dilation (kernel - 1) + 1 positions a dimension,
// less the padding, plus `output_padding`.
struct Conv {
  using Extent = op::Extent;
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  Extent kernel{1, 1, 1};
  Extent stride{1, 1, 1};
  Extent padding{0, 0, 0};  // before the first position
  std::uint64_t groups = 1;
  bool bias = true;
  std::uint8_t spatial_dims = 2;
  Extent dilation{1, 1, 1};
  std::array<std::int32_t, 3> more_padding{0, 0, 0};  // behind the last position: so many more
  bool transposed = false;
  Extent output_padding{0, 0, 0};
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

enum class BinaryKind : std::uint8_t {
  add,
  sub,
  mul,
  div,
  pow,
  mod,
  min,
  max,
  prelu,  // x where positive, else a x; a is input 1
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  logical_and,
  logical_or,
  logical_xor,
  bitwise,  // and, or, xor, shifts
};
// Elementwise with broadcasting. Comparisons and logical kinds give booleans.
struct Binary {
  BinaryKind kind = BinaryKind::add;
};

// x * factor with a Python scalar.
struct Scale {
  double factor = 1.0;
};

// Input 0 where it is true picks input 1, else input 2 (torch.where); all broadcast.
struct Where {};

// Another element type (torch.Tensor.to). `scaled`: by quantisation, with inputs scale and zero
// point that broadcast (ONNX QuantizeLinear, DequantizeLinear).
struct Cast {
  DType dtype = DType::f32;
  bool scaled = false;
};

// Elementwise functions of one value. `alpha` and `beta` are the parameters of those that have
// some.
enum class UnaryKind : std::uint8_t {
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
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  abs,
  neg,
  sign,
  floor,
  ceil,
  round,
  reciprocal,
  sqrt,
  rsqrt,
  square,
  log,
  erf,
  power,         // x^alpha
  shift,         // x + alpha
  clip,          // between alpha and beta; one of them may be infinite
  leaky_relu,    // alpha x below zero
  elu,           // alpha (exp(x) - 1) below zero
  celu,          // alpha (exp(x / alpha) - 1) below zero
  selu,          // beta x, below zero beta alpha (exp(x) - 1)
  hard_sigmoid,  // alpha x + beta between 0 and 1
  hard_swish,    // x times its hard sigmoid of 1/6 and 1/2
  softsign,
  mish,
  log_sigmoid,
  thresholded_relu,  // x above alpha, else 0
  shrink,            // x -/+ beta beyond +/- alpha, else 0
  logical_not,
  bitwise_not,
  is_nan,
  is_inf
};
using ActivationKind = UnaryKind;  // of a layer that lets its activation be chosen
struct Unary {
  UnaryKind kind = UnaryKind::gelu;
  double alpha = 0;
  double beta = 0;
};

// Over one dimension, the last unless told otherwise. `log`: its logarithm (log_softmax).
struct Softmax {
  bool log = false;
  int axis = -1;
};

// The k largest (or smallest) of one dimension, in order, and where they stand (a router's choice
// of experts). The output are their values.
struct TopK {
  std::uint64_t k = 1;
  int axis = -1;
  bool smallest = false;
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

// Over all but the channels of [B, C, ...]: y = (x - mean) / sqrt(var + eps) w + b. Inputs: x, and
// in evaluation the running mean and variance [C]. `training`: of the batch's own statistics
// instead. params: weight, bias when affine.
struct BatchNorm {
  double eps = 1e-5;
  bool training = false;
  bool affine = true;
};

// Over the channels of a group and all positions of [B, C, ...]. `instance`: a group a channel
// (torch.nn.InstanceNorm). params: weight, bias [C] when affine.
struct GroupNorm {
  std::uint64_t groups = 1;
  double eps = 1e-5;
  bool affine = true;
  bool instance = false;
};

// y = x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta over [B, C, ...].
struct LocalResponseNorm {
  std::uint64_t size = 5;
  double alpha = 1e-4;
  double beta = 0.75;
  double k = 1.0;
};

enum class PoolKind : std::uint8_t { max, avg, lp };
// Windows over [B, C, spatial...]. What lies outside counts as nothing (max), or as zero.
struct Pool {
  PoolKind kind = PoolKind::max;
  Extent kernel{1, 1, 1};
  Extent stride{1, 1, 1};
  Extent padding{0, 0, 0};
  std::uint8_t spatial_dims = 2;
  Extent dilation{1, 1, 1};
  std::array<std::int32_t, 3> more_padding{0, 0, 0};  // behind the last position: so many more
  bool ceil_mode = false;     // a last window that begins inside, or before it, counts
  bool count_padding = true;  // avg divides by the whole window
  double p = 2;               // of lp
};

// As many windows a dimension as the result has, over [B, C, spatial...]; [1, 1, ...]: global
// pooling.
struct AdaptivePool {
  PoolKind kind = PoolKind::avg;
  Extent output{1, 1, 1};
  std::uint8_t spatial_dims = 2;
  double p = 2;
};

enum class ResizeKind : std::uint8_t { nearest, linear, cubic };
// Another number of positions (torch.nn.functional.interpolate): the result's shape.
struct Resize {
  ResizeKind kind = ResizeKind::nearest;
  Shape shape;
};

enum class RecurrentKind : std::uint8_t { rnn_tanh, rnn_relu, gru, lstm };
// One recurrent layer, in one or two directions. Inputs: x [T, B, in] ([B, T, in] with
// batch_first), then in any order the parameters as values (W [directions, gates hidden, in], R
// [directions, gates hidden, hidden], biases) and the first states. Output: [T, B, directions
// hidden], or with `directions_apart` (ONNX) [T, directions, B, hidden]. The last states are a
// SideOutput each.
struct Recurrent {
  RecurrentKind kind = RecurrentKind::lstm;
  std::uint64_t in = 0;
  std::uint64_t hidden = 0;
  std::uint8_t directions = 1;
  bool bias = true;
  bool batch_first = false;
  bool directions_apart = false;
};

enum class RecurrenceKind : std::uint8_t { selective_scan, ssd, linear_attention, gated_delta };
// A linear recurrence over tokens, whose state is a matrix a channel or head. Counted in its
// recurrent form; chunked kernels do more. selective_scan (Mamba): x, delta [B, T, D], A [D, N], B,
// C [B, T, N], then skip [D]; state D x N. ssd (Mamba-2): x [B, T, H, P], delta [B, T, H], A [H],
// B, C [B, T, G, N], then skip [H]; state H x P x N. linear_attention, gated_delta: q, k [B, T, H,
// K], v [B, T, H, V], then the gates; state H x K x V. Output: like x, or like v.
struct LinearRecurrence {
  RecurrenceKind kind = RecurrenceKind::selective_scan;
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
  std::uint64_t step = 1;  // every step-th of them
};

// The lower (or upper) triangle of the last two dimensions, zeros elsewhere (torch.tril,
// torch.triu): columns up to row + diagonal, or from there on.
struct Triangle {
  bool upper = false;
  std::int64_t diagonal = 0;
};

// Copies in which elements stand elsewhere: backwards along axes; repeated as a whole; with a
// border around them.
struct Flip {
  Dims axes;
};
struct Tile {
  Dims repeats;
};
enum class PadKind : std::uint8_t { constant, reflect, edge, wrap };
struct Pad {
  PadKind kind = PadKind::constant;
  Dims before;
  Dims after;
  double value = 0;
};

// By an index that is a value. rows (torch.index_select, ONNX Gather): the output is x with `axis`
// replaced by the index' dimensions. elements (torch.gather, GatherElements): of the index' shape.
// nd (GatherND): its last dimension indexes the dimensions of x behind the first `batch_dims`.
// Inputs: x, index.
enum class TakeKind : std::uint8_t { rows, elements, nd };
struct Take {
  TakeKind kind = TakeKind::rows;
  int axis = 0;
  std::uint64_t batch_dims = 0;
};
// Input 0 with the elements or slices that input 1 indexes replaced by input 2, or combined with
// it.
struct Scatter {
  TakeKind kind = TakeKind::elements;
  int axis = 0;
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

enum class ReduceKind : std::uint8_t {
  mean,
  sum,
  max,
  min,
  prod,
  l1,
  l2,
  log_sum,
  log_sum_exp,
  sum_square
};
// Over one axis, and over `more`, counted from the front.
struct Reduce {
  ReduceKind kind = ReduceKind::mean;
  int axis = 0;
  bool keep = false;
  Dims more = {};
};

// Where the largest (or smallest) of an axis stands: int64.
struct ArgReduce {
  bool smallest = false;
  int axis = 0;
  bool keep = false;
};

enum class CumulativeKind : std::uint8_t { sum, prod };
// Along one axis, of all elements so far.
struct Cumulative {
  CumulativeKind kind = CumulativeKind::sum;
  int axis = 0;
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
    std::variant<op::Input, op::Parameter, op::Constant, op::Opaque, op::SideOutput, op::Linear,
                 op::ExpertLinear, op::Conv, op::MatMul, op::Sdpa, op::Recurrent,
                 op::LinearRecurrence, op::Binary, op::Scale, op::Unary, op::Where, op::Cast,
                 op::Softmax, op::TopK, op::MaskedFill, op::LayerNorm, op::RmsNorm,
                 op::GlobalResponseNorm, op::BatchNorm, op::GroupNorm, op::LocalResponseNorm,
                 op::Pool, op::AdaptivePool, op::Resize, op::Dropout, op::DropPath, op::Concat,
                 op::Reshape, op::Expand, op::Permute, op::Slice, op::Triangle, op::Flip, op::Tile,
                 op::Pad, op::Take, op::Scatter, op::Copy, op::Roll, op::Reduce, op::ArgReduce,
                 op::Cumulative, op::Embedding, op::Gather, op::Rope>;

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
[[nodiscard]] std::string_view name_of(op::UnaryKind kind);

// True for ops that hand out what is there (input, parameter, constant): they do no work.
[[nodiscard]] bool is_leaf(const Op& op);

}  // namespace vitals
