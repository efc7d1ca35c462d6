// One row per op: what is a fact of the op alone. Counting, traffic, latency, the memory simulator
// and the runtime read it, so that an op needs code only where it has a rule of its own. Must not
// know graphs or readings.
#pragma once

#include "graph/op.h"

namespace vitals {

// Bytes moved when every operand is read once and the result written once.
enum class TrafficRule : std::uint8_t {
  none,      // hands out what is there
  written,   // its result alone: an op before it does the work
  operands,  // reads every input and parameter, writes the output
  moved,     // reads as much as it writes
  own        // an overload in cost/traffic.cpp
};

// The kind of kernel that PyTorch launches for the op (lib/latency).
enum class Work : std::uint8_t {
  none,       // leaves
  product,    // matrix products and convolutions
  attention,  // fused
  norm,
  softmax,
  rope,
  move,  // data that changes its place, or views
  pointwise,
  reduce,
  lookup
};

// The type of the result under torch.autocast (aten/src/ATen/autocast_mode.cpp).
enum class Autocast : std::uint8_t {
  low,       // on the list for the lower precision type
  wide,      // on the list for float32
  promotes,  // the widest type of what it reads
  keeps      // the type of input 0
};

// What torch.compile (Inductor) makes of it.
enum class FusionClass : std::uint8_t {
  fuses,         // part of one kernel with its neighbours
  own_kernel,    // a call of a library: nothing fuses across it
  seen_through,  // only says where data lies
  leaf
};

// What autograd keeps of an op for its backward pass.
enum class Saves : std::uint8_t {
  nothing,
  inputs,  // and parameters
  output,
  own  // an overload in memory/simulator/interpreter.cpp
};

// How the runtime computes it (lib/runtime/program).
enum class Runs : std::uint8_t {
  never,      // refused, with the op's name
  reference,  // by its reference kernel
  own         // a step of its own
};

// What a parameter multiplies or is added to; decides its random values in a benchmark.
enum class WeightKind : std::uint8_t { matrix, factor };

// Operations for every element of the output.
struct PerElement {
  std::uint8_t multiplications = 0;
  std::uint8_t additions = 0;
  std::uint8_t divisions = 0;
  std::uint8_t exponentials = 0;
  std::uint8_t logarithms = 0;
  std::uint8_t error_functions = 0;
  std::uint8_t tangents = 0;
  std::uint8_t circular = 0;
  std::uint8_t square_roots = 0;
  std::uint8_t comparisons = 0;
};

struct OpTraits {
  std::string_view name = {};     // in reports, snake_case as in fvcore and PyTorch: "layer_norm"
  std::string_view formula = {};  // "y = x W^T + b"
  std::string_view source = {};   // where it is defined: a paper, or PyTorch's function
  std::string_view onnx = {};     // the ONNX operator that is this op with no change; empty: none
  bool products = false;          // a matrix product or a convolution, or made of them: has MACs
  bool per_element = true;        // `arithmetic` says all; else an overload in cost/arithmetic.cpp
  PerElement arithmetic = {};
  TrafficRule traffic = TrafficRule::operands;
  Work work = Work::pointwise;
  Autocast autocast = Autocast::promotes;
  FusionClass fusion = FusionClass::fuses;
  Saves saves = Saves::own;
  Runs runs = Runs::own;
  bool reference = true;  // has a kernel in lib/runtime/reference; else it cannot run
  WeightKind weight = WeightKind::matrix;
};

// A new op has no row until somebody writes it here.
template <class O>
constexpr OpTraits op_without_a_row() = delete;
template <class O>
inline constexpr OpTraits kTraits = op_without_a_row<O>();

// --- Leaves

template <>
inline constexpr OpTraits kTraits<op::Input> = {
    .name = "input",
    .formula = "data",
    .source = "the model's input",
    .traffic = TrafficRule::none,
    .work = Work::none,
    .autocast = Autocast::wide,
    .fusion = FusionClass::leaf,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Parameter> = {
    .name = "parameter",
    .formula = "a parameter as it is",
    .source = "torch.nn.Parameter",
    .traffic = TrafficRule::none,
    .work = Work::none,
    .autocast = Autocast::wide,
    .fusion = FusionClass::leaf,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Constant> = {
    .name = "constant",
    .formula = "numbers that the sizes fix",
    .source = "torch buffers",
    .onnx = "Constant",
    .traffic = TrafficRule::none,
    .work = Work::none,
    .autocast = Autocast::wide,
    .fusion = FusionClass::leaf,
    .runs = Runs::never,
};

template <>
inline constexpr OpTraits kTraits<op::Opaque> = {
    .name = "opaque",
    .formula = "what its own definition says",
    .source = "the file that it was read from",
    .products = true,
    .per_element = false,
    .fusion = FusionClass::own_kernel,
    .saves = Saves::inputs,
    .runs = Runs::never,
    .reference = false,
};
template <>
inline constexpr OpTraits kTraits<op::SideOutput> = {
    .name = "side_output",
    .formula = "a further result of the op that it reads",
    .source = "that op's",
    .traffic = TrafficRule::written,
    .work = Work::none,
    .autocast = Autocast::keeps,
    .fusion = FusionClass::seen_through,
    .saves = Saves::nothing,
    .runs = Runs::never,
    .reference = false,
};

// --- Products

template <>
inline constexpr OpTraits kTraits<op::Linear> = {
    .name = "linear",
    .formula = "y = x W^T + b",
    .source = "torch.nn.Linear",
    .products = true,
    .per_element = false,
    .work = Work::product,
    .autocast = Autocast::low,
    .fusion = FusionClass::own_kernel,
    .runs = Runs::own,
};
template <>
inline constexpr OpTraits kTraits<op::ExpertLinear> = {
    .name = "expert_linear",
    .formula = "y = x W[e]^T + b[e] for every chosen expert e",
    .source = "Shazeer et al. 2017, arXiv:1701.06538",
    .products = true,
    .per_element = false,
    .traffic = TrafficRule::own,
    .work = Work::product,
    .autocast = Autocast::low,
    .fusion = FusionClass::own_kernel,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Conv> = {
    .name = "conv",
    .formula = "y = W * x + b",
    .source = "torch.nn.Conv2d; Dumoulin & Visin 2016, arXiv:1603.07285",
    .onnx = "Conv",
    .products = true,
    .per_element = false,
    .work = Work::product,
    .autocast = Autocast::low,
    .fusion = FusionClass::own_kernel,
};
template <>
inline constexpr OpTraits kTraits<op::MatMul> = {
    .name = "matmul",
    .formula = "y[m, n] = sum over k of a[m, k] b[k, n]",
    .source = "torch.matmul",
    .onnx = "MatMul",
    .products = true,
    .per_element = false,
    .work = Work::product,
    .autocast = Autocast::low,
    .fusion = FusionClass::own_kernel,
};
// Of fused attention the scores stay on the chip (Dao et al. 2022, arXiv:2205.14135).
template <>
inline constexpr OpTraits kTraits<op::Sdpa> = {
    .name = "scaled_dot_product_attention",
    .formula = "y = softmax(q k^T scale + bias) v",
    .source = "Vaswani et al. 2017, arXiv:1706.03762, eq. 1",
    .products = true,
    .per_element = false,
    .work = Work::attention,
    .autocast = Autocast::low,
    .fusion = FusionClass::own_kernel,
};

// cuDNN and the CPU library run a layer as one call. Only the products are counted; gates are
// elementwise.
template <>
inline constexpr OpTraits kTraits<op::Recurrent> = {
    .name = "recurrent",
    .formula = "that of its kind",
    .source = "that of its kind",
    .products = true,
    .per_element = false,
    .work = Work::product,
    .autocast = Autocast::low,
    .fusion = FusionClass::own_kernel,
    .runs = Runs::never,
    .reference = false,
};
template <>
inline constexpr OpTraits kTraits<op::LinearRecurrence> = {
    .name = "linear_recurrence",
    .formula = "that of its kind",
    .source = "that of its kind",
    .products = true,
    .per_element = false,
    .fusion = FusionClass::own_kernel,
    .saves = Saves::inputs,
    .runs = Runs::never,
    .reference = false,
};

// --- Elementwise. What depends on the kind stands in the tables of op_traits.cpp.

template <>
inline constexpr OpTraits kTraits<op::Binary> = {
    .name = "binary",
    .formula = "that of its kind",
    .source = "that of its kind",
    .per_element = false,
};
template <>
inline constexpr OpTraits kTraits<op::Scale> = {
    .name = "scale",
    .formula = "y = x factor",
    .source = "torch.mul",
    .arithmetic = {.multiplications = 1},
};
template <>
inline constexpr OpTraits kTraits<op::Unary> = {
    .name = "unary",
    .formula = "that of its kind",
    .source = "that of its kind",
    .per_element = false,
};
template <>
inline constexpr OpTraits kTraits<op::Where> = {
    .name = "where",
    .formula = "y = c ? a : b",
    .source = "torch.where",
    .onnx = "Where",
    .saves = Saves::own,
    .runs = Runs::never,
    .reference = false,
};
template <>
inline constexpr OpTraits kTraits<op::Cast> = {
    .name = "cast",
    .formula = "the same numbers in another type",
    .source = "torch.Tensor.to",
    .onnx = "Cast",
    .saves = Saves::nothing,
    .runs = Runs::never,
    .reference = false,
};
template <>
inline constexpr OpTraits kTraits<op::MaskedFill> = {
    .name = "masked_fill",
    .formula = "y = mask ? value : x",
    .source = "torch.masked_fill",
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Dropout> = {
    .name = "dropout",
    .formula = "y = x (u < keep ? 1 / keep : 0)",
    .source = "Srivastava et al. 2014, JMLR 15",
    .onnx = "Dropout",
    .arithmetic = {.multiplications = 1, .comparisons = 1},
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::DropPath> = {
    .name = "drop_path",
    .formula = "y = x (u < keep ? 1 / keep : 0), one u a sample",
    .source = "Huang et al. 2016, arXiv:1603.09382",
    .per_element = false,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Rope> = {
    .name = "rope",
    .formula = "y = x cos + rotate(x) sin",
    .source = "Su et al. 2021, arXiv:2104.09864, eq. 34",
    .per_element = false,
    .work = Work::rope,
    .autocast = Autocast::keeps,
};

// --- Norms and reductions

template <>
inline constexpr OpTraits kTraits<op::Softmax> = {
    .name = "softmax",
    .formula = "y = exp(x - max) / sum(exp(x - max))",
    .source = "torch.softmax",
    .per_element = false,
    .work = Work::softmax,
    .autocast = Autocast::wide,
};
template <>
inline constexpr OpTraits kTraits<op::LayerNorm> = {
    .name = "layer_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) w + b",
    .source = "Ba et al. 2016, arXiv:1607.06450, eq. 4",
    .per_element = false,
    .work = Work::norm,
    .autocast = Autocast::wide,
    .weight = WeightKind::factor,
};
template <>
inline constexpr OpTraits kTraits<op::RmsNorm> = {
    .name = "rms_norm",
    .formula = "y = x / sqrt(mean(x^2) + eps) w",
    .source = "Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4",
    .per_element = false,
    .work = Work::norm,
    .autocast = Autocast::wide,
    .weight = WeightKind::factor,
};
// Latency: only in models that unpredictable() refuses.
template <>
inline constexpr OpTraits kTraits<op::GlobalResponseNorm> = {
    .name = "global_response_norm",
    .formula = "y = x + w (x g / (mean(g) + eps)) + b, g = ||x|| of a channel",
    .source = "Woo et al. 2023, arXiv:2301.00808, section 3.2",
    .per_element = false,
    .work = Work::norm,
    .autocast = Autocast::wide,
    .runs = Runs::reference,
    .weight = WeightKind::factor,
};
template <>
inline constexpr OpTraits kTraits<op::BatchNorm> = {
    .name = "batch_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) w + b, by channel",
    .source = "Ioffe & Szegedy 2015, arXiv:1502.03167",
    .onnx = "BatchNormalization",
    .per_element = false,
    .work = Work::norm,
    .autocast = Autocast::keeps,
    .runs = Runs::reference,
    .weight = WeightKind::factor,
};
template <>
inline constexpr OpTraits kTraits<op::GroupNorm> = {
    .name = "group_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) w + b, mean and var by group",
    .source = "Wu & He 2018, arXiv:1803.08494",
    .per_element = false,
    .work = Work::norm,
    .autocast = Autocast::wide,
    .runs = Runs::reference,
    .weight = WeightKind::factor,
};
template <>
inline constexpr OpTraits kTraits<op::LocalResponseNorm> = {
    .name = "local_response_norm",
    .formula = "y = x / (k + alpha / size sum(x^2))^beta over neighbouring channels",
    .source = "Krizhevsky et al. 2012, section 3.3",
    .onnx = "LRN",
    .per_element = false,
    .work = Work::norm,
    .saves = Saves::inputs,
    .runs = Runs::reference,
};
template <>
inline constexpr OpTraits kTraits<op::Pool> = {
    .name = "pool",
    .formula = "that of its kind",
    .source = "that of its kind",
    .per_element = false,
    .work = Work::reduce,
    .runs = Runs::reference,
};
template <>
inline constexpr OpTraits kTraits<op::AdaptivePool> = {
    .name = "adaptive_pool",
    .formula = "that of its kind",
    .source = "that of its kind",
    .per_element = false,
    .work = Work::reduce,
    .runs = Runs::reference,
};
template <>
inline constexpr OpTraits kTraits<op::Resize> = {
    .name = "resize",
    .formula = "that of its kind",
    .source = "that of its kind",
    .per_element = false,
    .saves = Saves::nothing,
    .runs = Runs::never,
    .reference = false,
};
template <>
inline constexpr OpTraits kTraits<op::TopK> = {
    .name = "topk",
    .formula = "the k largest of n",
    .source = "torch.topk",
    .per_element = false,
    .work = Work::reduce,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Reduce> = {
    .name = "reduce",
    .formula = "that of its kind",
    .source = "that of its kind",
    .per_element = false,
    .work = Work::reduce,
};

template <>
inline constexpr OpTraits kTraits<op::ArgReduce> = {
    .name = "arg_reduce",
    .formula = "where the largest (or smallest) stands",
    .source = "torch.argmax",
    .per_element = false,
    .work = Work::reduce,
    .saves = Saves::nothing,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Cumulative> = {
    .name = "cumulative",
    .formula = "that of its kind",
    .source = "that of its kind",
    .per_element = false,
    .work = Work::reduce,
    .runs = Runs::reference,
};

// --- Data that changes its place

template <>
inline constexpr OpTraits kTraits<op::Concat> = {
    .name = "concat",
    .formula = "one after the other",
    .source = "torch.cat",
    .traffic = TrafficRule::moved,
    .work = Work::move,
};
// Mostly views, which move nothing.
template <>
inline constexpr OpTraits kTraits<op::Reshape> = {
    .name = "reshape",
    .formula = "the same elements in another shape",
    .source = "torch.reshape",
    .work = Work::move,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Expand> = {
    .name = "expand",
    .formula = "the same elements, repeated",
    .source = "torch.expand",
    .traffic = TrafficRule::moved,
    .work = Work::move,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Permute> = {
    .name = "permute",
    .formula = "the same elements, axes in another order",
    .source = "torch.permute",
    .traffic = TrafficRule::moved,
    .work = Work::move,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Slice> = {
    .name = "slice",
    .formula = "a part of the elements",
    .source = "torch.narrow",
    .traffic = TrafficRule::moved,
    .work = Work::move,
    .runs = Runs::never,
};
template <>
inline constexpr OpTraits kTraits<op::Triangle> = {
    .name = "triangle",
    .formula = "y = x on one side of a diagonal, else 0",
    .source = "torch.tril",
    .onnx = "Trilu",
    .saves = Saves::nothing,
    .runs = Runs::reference,
};
template <>
inline constexpr OpTraits kTraits<op::Flip> = {
    .name = "flip",
    .formula = "the same elements, backwards",
    .source = "torch.flip",
    .traffic = TrafficRule::moved,
    .work = Work::move,
    .saves = Saves::nothing,
    .runs = Runs::reference,
};
template <>
inline constexpr OpTraits kTraits<op::Tile> = {
    .name = "tile",
    .formula = "the same elements, repeated as a whole",
    .source = "torch.tile",
    .onnx = "Tile",
    .work = Work::move,
    .saves = Saves::nothing,
    .runs = Runs::reference,
};
template <>
inline constexpr OpTraits kTraits<op::Pad> = {
    .name = "pad",
    .formula = "the same elements with a border",
    .source = "torch.nn.functional.pad",
    .onnx = "Pad",
    .work = Work::move,
    .saves = Saves::nothing,
    .runs = Runs::reference,
};
template <>
inline constexpr OpTraits kTraits<op::Take> = {
    .name = "take",
    .formula = "that of its kind",
    .source = "that of its kind",
    .traffic = TrafficRule::own,
    .work = Work::lookup,
    .autocast = Autocast::keeps,
    .runs = Runs::never,
    .reference = false,
};
template <>
inline constexpr OpTraits kTraits<op::Scatter> = {
    .name = "scatter",
    .formula = "x with the indexed elements replaced",
    .source = "torch.scatter",
    .work = Work::move,
    .autocast = Autocast::keeps,
    .saves = Saves::own,
    .runs = Runs::never,
    .reference = false,
};
template <>
inline constexpr OpTraits kTraits<op::Copy> = {
    .name = "copy",
    .formula = "the same elements, made contiguous",
    .source = "torch.Tensor.contiguous",
    .work = Work::move,
    .fusion = FusionClass::seen_through,
};
template <>
inline constexpr OpTraits kTraits<op::Roll> = {
    .name = "roll",
    .formula = "elements shifted in a circle",
    .source = "torch.roll; Liu et al. 2021, arXiv:2103.14030",
    .traffic = TrafficRule::moved,
    .work = Work::move,
};
template <>
inline constexpr OpTraits kTraits<op::Embedding> = {
    .name = "embedding",
    .formula = "rows of a table by token",
    .source = "torch.nn.Embedding",
    .traffic = TrafficRule::own,
    .work = Work::lookup,
    .autocast = Autocast::wide,
};
template <>
inline constexpr OpTraits kTraits<op::Gather> = {
    .name = "gather",
    .formula = "rows of a table by a fixed index",
    .source = "torch.index_select",
    .traffic = TrafficRule::own,
    .work = Work::lookup,
    .autocast = Autocast::wide,
    .runs = Runs::reference,
};

// What is a fact of one kind of a family (Unary, Binary, Reduce, ...).
struct KindTraits {
  std::string_view name = {};
  std::string_view formula = {};
  std::string_view source = {};
  std::string_view onnx = {};
  PerElement arithmetic = {};
  Saves saves = Saves::inputs;
  bool wide = false;         // on autocast's list for float32
  std::uint8_t traffic = 2;  // elements moved for each, over all the passes that eager PyTorch runs
  std::string_view module = {};  // the class that runs it alone: "GELU"; empty: none
  bool boolean = false;          // gives truth values
};
[[nodiscard]] KindTraits traits(op::UnaryKind kind);
[[nodiscard]] KindTraits traits(op::BinaryKind kind);
[[nodiscard]] KindTraits traits(op::ReduceKind kind);
[[nodiscard]] KindTraits traits(op::CumulativeKind kind);
[[nodiscard]] KindTraits traits(op::TakeKind kind);
[[nodiscard]] KindTraits traits(op::ResizeKind kind);
[[nodiscard]] KindTraits traits(op::RecurrentKind kind);
[[nodiscard]] KindTraits traits(op::RecurrenceKind kind);

// The row of the op that is held.
[[nodiscard]] const OpTraits& traits(const Op& op);

struct OpDefinition {
  std::string_view formula;
  std::string_view source;
};
// What it computes in one line, and where that is defined: what --explain and the documentation
// name.
[[nodiscard]] OpDefinition definition(const Op& op);

}  // namespace vitals
