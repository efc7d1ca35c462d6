#include "graph/op_traits.h"

#include <array>
#include <cassert>
#include <optional>
#include <utility>

namespace vitals {
namespace {

template <std::size_t... I>
constexpr auto rows_of(std::index_sequence<I...>) {
  return std::array{&kTraits<std::variant_alternative_t<I, Op>>...};
}
constexpr auto kRows = rows_of(std::make_index_sequence<std::variant_size_v<Op>>{});

}  // namespace

const OpTraits& traits(const Op& op) { return *kRows[op.index()]; }

// NOLINTNEXTLINE(readability-function-size): a table, one row a kind
KindTraits traits(op::UnaryKind kind) {
  using enum op::UnaryKind;
  switch (kind) {
    case gelu:  // (0.5 x) (1 + erf(x / sqrt 2))
      return {.name = "gelu",
              .formula = "y = x/2 (1 + erf(x / sqrt 2))",
              .source = "Hendrycks & Gimpel 2016, arXiv:1606.08415",
              .arithmetic = {.multiplications = 3, .additions = 1, .error_functions = 1},
              .module = "GELU"};
    case gelu_tanh:  // (0.5 x) (1 + tanh(sqrt(2/pi) (x + 0.044715 x x x)))
      return {.name = "gelu_tanh",
              .formula = "y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
              .source = "Hendrycks & Gimpel 2016, arXiv:1606.08415",
              .arithmetic = {.multiplications = 6, .additions = 2, .tangents = 1},
              .module = "GELUTanh"};
    case quick_gelu:  // x / (1 + exp(-1.702 x)); eager: x * sigmoid(1.702 x), written out
      return {
          .name = "quick_gelu",
          .formula = "y = x sigmoid(1.702 x)",
          .source = "Hendrycks & Gimpel 2016, arXiv:1606.08415",
          .arithmetic = {.multiplications = 1, .additions = 1, .divisions = 1, .exponentials = 1},
          .saves = Saves::own,
          .traffic = 7,
          .module = "QuickGELU"};
    case silu:  // x / (1 + exp(-x))
      return {.name = "silu",
              .formula = "y = x sigmoid(x)",
              .source = "Elfwing et al. 2017, arXiv:1702.03118",
              .arithmetic = {.additions = 1, .divisions = 1, .exponentials = 1},
              .module = "SiLU"};
    case relu:
      return {.name = "relu",
              .formula = "y = max(x, 0)",
              .source = "torch.nn.ReLU",
              .onnx = "Relu",
              .arithmetic = {.comparisons = 1},
              .saves = Saves::output,
              .module = "ReLU"};
    case relu_squared:
      return {.name = "relu_squared",
              .formula = "y = max(x, 0)^2",
              .source = "So et al. 2021, arXiv:2109.08668",
              .arithmetic = {.multiplications = 1, .comparisons = 1},
              .saves = Saves::own,
              .traffic = 4,
              .module = "ReLUSquared"};
    case tanh:
      return {.name = "tanh",
              .formula = "y = tanh(x)",
              .source = "torch.nn.Tanh",
              .onnx = "Tanh",
              .arithmetic = {.tangents = 1},
              .saves = Saves::output,
              .module = "Tanh"};
    case sigmoid:
      return {.name = "sigmoid",
              .formula = "y = 1 / (1 + exp(-x))",
              .source = "torch.nn.Sigmoid",
              .onnx = "Sigmoid",
              .arithmetic = {.additions = 1, .divisions = 1, .exponentials = 1},
              .saves = Saves::output,
              .module = "Sigmoid"};
    case softplus:
      return {.name = "softplus",
              .formula = "y = max(x, 0) + log(1 + exp(-|x|))",
              .source = "torch.nn.Softplus",
              .onnx = "Softplus",
              .arithmetic = {.additions = 1, .exponentials = 1, .logarithms = 1, .comparisons = 1},
              .wide = true,
              .module = "Softplus"};
    case exp:
      return {.name = "exp",
              .formula = "y = exp(x)",
              .source = "torch.exp",
              .onnx = "Exp",
              .arithmetic = {.exponentials = 1},
              .saves = Saves::output,
              .wide = true,
              .module = "Exp"};
    case sin:
      return {.name = "sin",
              .formula = "y = sin(x)",
              .source = "torch.sin",
              .onnx = "Sin",
              .arithmetic = {.circular = 1},
              .module = "Sin"};
    case cos:
      return {.name = "cos",
              .formula = "y = cos(x)",
              .source = "torch.cos",
              .onnx = "Cos",
              .arithmetic = {.circular = 1},
              .module = "Cos"};
    case tan:
      return {.name = "tan",
              .formula = "y = tan(x)",
              .source = "torch.tan",
              .onnx = "Tan",
              .arithmetic = {.circular = 1},
              .saves = Saves::output,
              .wide = true};
    case asin:
      return {.name = "asin",
              .formula = "y = arcsin(x)",
              .source = "torch.asin",
              .onnx = "Asin",
              .arithmetic = {.circular = 1},
              .wide = true};
    case acos:
      return {.name = "acos",
              .formula = "y = arccos(x)",
              .source = "torch.acos",
              .onnx = "Acos",
              .arithmetic = {.circular = 1},
              .wide = true};
    case atan:
      return {.name = "atan",
              .formula = "y = arctan(x)",
              .source = "torch.atan",
              .onnx = "Atan",
              .arithmetic = {.circular = 1}};
    case sinh:
      return {
          .name = "sinh",
          .formula = "y = (exp(x) - 1 / exp(x)) / 2",
          .source = "torch.sinh",
          .onnx = "Sinh",
          .arithmetic = {.multiplications = 1, .additions = 1, .divisions = 1, .exponentials = 1},
          .wide = true};
    case cosh:
      return {
          .name = "cosh",
          .formula = "y = (exp(x) + 1 / exp(x)) / 2",
          .source = "torch.cosh",
          .onnx = "Cosh",
          .arithmetic = {.multiplications = 1, .additions = 1, .divisions = 1, .exponentials = 1},
          .wide = true};
    case asinh:
      return {
          .name = "asinh",
          .formula = "y = log(x + sqrt(x^2 + 1))",
          .source = "torch.asinh",
          .onnx = "Asinh",
          .arithmetic = {.multiplications = 1, .additions = 2, .logarithms = 1, .square_roots = 1}};
    case acosh:
      return {
          .name = "acosh",
          .formula = "y = log(x + sqrt(x^2 - 1))",
          .source = "torch.acosh",
          .onnx = "Acosh",
          .arithmetic = {.multiplications = 1, .additions = 2, .logarithms = 1, .square_roots = 1}};
    case atanh:
      return {
          .name = "atanh",
          .formula = "y = log((1 + x) / (1 - x)) / 2",
          .source = "torch.atanh",
          .onnx = "Atanh",
          .arithmetic = {.multiplications = 1, .additions = 2, .divisions = 1, .logarithms = 1}};
    case abs:
      return {.name = "abs",
              .formula = "y = |x|",
              .source = "torch.abs",
              .onnx = "Abs",
              .arithmetic = {.comparisons = 1}};
    case neg:
      return {.name = "neg",
              .formula = "y = -x",
              .source = "torch.neg",
              .onnx = "Neg",
              .saves = Saves::nothing};
    case sign:
      return {.name = "sign",
              .formula = "y = (x > 0) - (x < 0)",
              .source = "torch.sign",
              .onnx = "Sign",
              .arithmetic = {.comparisons = 2},
              .saves = Saves::nothing};
    case floor:
      return {.name = "floor",
              .formula = "the largest whole number below",
              .source = "torch.floor",
              .onnx = "Floor",
              .saves = Saves::nothing};
    case ceil:
      return {.name = "ceil",
              .formula = "the smallest whole number above",
              .source = "torch.ceil",
              .onnx = "Ceil",
              .saves = Saves::nothing};
    case round:
      return {.name = "round",
              .formula = "the nearest whole number",
              .source = "torch.round",
              .onnx = "Round",
              .saves = Saves::nothing};
    case reciprocal:
      return {.name = "reciprocal",
              .formula = "y = 1 / x",
              .source = "torch.reciprocal",
              .onnx = "Reciprocal",
              .arithmetic = {.divisions = 1},
              .saves = Saves::output,
              .wide = true};
    case sqrt:
      return {.name = "sqrt",
              .formula = "y = sqrt(x)",
              .source = "torch.sqrt",
              .onnx = "Sqrt",
              .arithmetic = {.square_roots = 1},
              .saves = Saves::output};
    case rsqrt:
      return {.name = "rsqrt",
              .formula = "y = 1 / sqrt(x)",
              .source = "torch.rsqrt",
              .arithmetic = {.divisions = 1, .square_roots = 1},
              .saves = Saves::output,
              .wide = true};
    case square:
      return {.name = "square",
              .formula = "y = x^2",
              .source = "torch.square",
              .arithmetic = {.multiplications = 1}};
    case log:
      return {.name = "log",
              .formula = "y = log(x)",
              .source = "torch.log",
              .onnx = "Log",
              .arithmetic = {.logarithms = 1},
              .wide = true};
    case erf:
      return {.name = "erf",
              .formula = "y = erf(x)",
              .source = "torch.erf",
              .onnx = "Erf",
              .arithmetic = {.error_functions = 1}};
    case power:
      return {.name = "power",
              .formula = "y = exp(alpha log(x))",
              .source = "torch.pow",
              .arithmetic = {.multiplications = 1, .exponentials = 1, .logarithms = 1},
              .wide = true};
    case shift:
      return {.name = "shift",
              .formula = "y = x + alpha",
              .source = "torch.add",
              .arithmetic = {.additions = 1},
              .saves = Saves::nothing};
    case clip:
      return {.name = "clip",
              .formula = "y = min(max(x, alpha), beta)",
              .source = "torch.clamp",
              .onnx = "Clip",
              .arithmetic = {.comparisons = 2},
              .module = "Hardtanh"};
    case leaky_relu:
      return {.name = "leaky_relu",
              .formula = "y = x > 0 ? x : alpha x",
              .source = "torch.nn.LeakyReLU; Maas et al. 2013",
              .onnx = "LeakyRelu",
              .arithmetic = {.multiplications = 1, .comparisons = 1},
              .module = "LeakyReLU"};
    case elu:
      return {
          .name = "elu",
          .formula = "y = x > 0 ? x : alpha (exp(x) - 1)",
          .source = "Clevert et al. 2015, arXiv:1511.07289",
          .onnx = "Elu",
          .arithmetic = {.multiplications = 1, .additions = 1, .exponentials = 1, .comparisons = 1},
          .module = "ELU"};
    case celu:
      return {.name = "celu",
              .formula = "y = x > 0 ? x : alpha (exp(x / alpha) - 1)",
              .source = "Barron 2017, arXiv:1704.07483",
              .onnx = "Celu",
              .arithmetic = {.multiplications = 1,
                             .additions = 1,
                             .divisions = 1,
                             .exponentials = 1,
                             .comparisons = 1},
              .module = "CELU"};
    case selu:
      return {
          .name = "selu",
          .formula = "y = beta (x > 0 ? x : alpha (exp(x) - 1))",
          .source = "Klambauer et al. 2017, arXiv:1706.02515",
          .onnx = "Selu",
          .arithmetic = {.multiplications = 2, .additions = 1, .exponentials = 1, .comparisons = 1},
          .module = "SELU"};
    case hard_sigmoid:
      return {.name = "hard_sigmoid",
              .formula = "y = min(max(alpha x + beta, 0), 1)",
              .source = "torch.nn.Hardsigmoid",
              .onnx = "HardSigmoid",
              .arithmetic = {.multiplications = 1, .additions = 1, .comparisons = 2},
              .module = "Hardsigmoid"};
    case hard_swish:
      return {.name = "hard_swish",
              .formula = "y = x min(max(x / 6 + 1/2, 0), 1)",
              .source = "Howard et al. 2019, arXiv:1905.02244",
              .onnx = "HardSwish",
              .arithmetic = {.multiplications = 2, .additions = 1, .comparisons = 2},
              .module = "Hardswish"};
    case softsign:
      return {.name = "softsign",
              .formula = "y = x / (1 + |x|)",
              .source = "torch.nn.Softsign",
              .onnx = "Softsign",
              .arithmetic = {.additions = 1, .divisions = 1, .comparisons = 1},
              .module = "Softsign"};
    case mish:
      return {.name = "mish",
              .formula = "y = x tanh(log(1 + exp(x)))",
              .source = "Misra 2019, arXiv:1908.08681",
              .onnx = "Mish",
              .arithmetic = {.multiplications = 1,
                             .additions = 1,
                             .exponentials = 1,
                             .logarithms = 1,
                             .tangents = 1,
                             .comparisons = 1},
              .module = "Mish"};
    case log_sigmoid:
      return {.name = "log_sigmoid",
              .formula = "y = -(max(-x, 0) + log(1 + exp(-|x|)))",
              .source = "torch.nn.LogSigmoid",
              .arithmetic = {.additions = 1, .exponentials = 1, .logarithms = 1, .comparisons = 1},
              .module = "LogSigmoid"};
    case thresholded_relu:
      return {.name = "thresholded_relu",
              .formula = "y = x > alpha ? x : 0",
              .source = "torch.nn.Threshold",
              .onnx = "ThresholdedRelu",
              .arithmetic = {.comparisons = 1},
              .module = "Threshold"};
    case shrink:
      return {.name = "shrink",
              .formula = "y = x < -alpha ? x + beta : x > alpha ? x - beta : 0",
              .source = "torch.nn.Softshrink",
              .onnx = "Shrink",
              .arithmetic = {.additions = 2, .comparisons = 2},
              .module = "Softshrink"};
    case logical_not:
      return {.name = "logical_not",
              .formula = "y = not x",
              .source = "torch.logical_not",
              .onnx = "Not",
              .saves = Saves::nothing,
              .boolean = true};
    case bitwise_not:
      return {.name = "bitwise_not",
              .formula = "y = ~x",
              .source = "torch.bitwise_not",
              .onnx = "BitwiseNot",
              .saves = Saves::nothing};
    case is_nan:
      return {.name = "is_nan",
              .formula = "whether x is no number",
              .source = "torch.isnan",
              .onnx = "IsNaN",
              .saves = Saves::nothing,
              .boolean = true};
    case is_inf:
      return {.name = "is_inf",
              .formula = "whether x is infinite",
              .source = "torch.isinf",
              .onnx = "IsInf",
              .saves = Saves::nothing,
              .boolean = true};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::BinaryKind kind) {
  using enum op::BinaryKind;
  switch (kind) {
    case add:
      return {.name = "add",
              .formula = "y = a + b",
              .source = "torch.add",
              .onnx = "Add",
              .arithmetic = {.additions = 1},
              .saves = Saves::nothing};
    case sub:
      return {.name = "sub",
              .formula = "y = a - b",
              .source = "torch.sub",
              .onnx = "Sub",
              .arithmetic = {.additions = 1},
              .saves = Saves::nothing};
    case mul:
      return {.name = "mul",
              .formula = "y = a b",
              .source = "torch.mul",
              .onnx = "Mul",
              .arithmetic = {.multiplications = 1}};
    case div:
      return {.name = "div",
              .formula = "y = a / b",
              .source = "torch.div",
              .onnx = "Div",
              .arithmetic = {.divisions = 1}};
    case pow:
      return {.name = "pow",
              .formula = "y = exp(b log(a))",
              .source = "torch.pow",
              .onnx = "Pow",
              .arithmetic = {.multiplications = 1, .exponentials = 1, .logarithms = 1},
              .wide = true};
    case mod:
      return {.name = "mod",
              .formula = "y = a - floor(a / b) b",
              .source = "torch.remainder",
              .onnx = "Mod",
              .arithmetic = {.multiplications = 1, .additions = 1, .divisions = 1}};
    case min:
      return {.name = "min",
              .formula = "y = min(a, b)",
              .source = "torch.minimum",
              .onnx = "Min",
              .arithmetic = {.comparisons = 1}};
    case max:
      return {.name = "max",
              .formula = "y = max(a, b)",
              .source = "torch.maximum",
              .onnx = "Max",
              .arithmetic = {.comparisons = 1}};
    case prelu:
      return {.name = "prelu",
              .formula = "y = x > 0 ? x : a x",
              .source = "He et al. 2015, arXiv:1502.01852",
              .onnx = "PRelu",
              .arithmetic = {.multiplications = 1, .comparisons = 1}};
    case equal:
      return {.name = "equal",
              .formula = "y = a == b",
              .source = "torch.eq",
              .onnx = "Equal",
              .arithmetic = {.comparisons = 1},
              .saves = Saves::nothing,
              .boolean = true};
    case not_equal:
      return {.name = "not_equal",
              .formula = "y = a != b",
              .source = "torch.ne",
              .arithmetic = {.comparisons = 1},
              .saves = Saves::nothing,
              .boolean = true};
    case less:
      return {.name = "less",
              .formula = "y = a < b",
              .source = "torch.lt",
              .onnx = "Less",
              .arithmetic = {.comparisons = 1},
              .saves = Saves::nothing,
              .boolean = true};
    case less_equal:
      return {.name = "less_equal",
              .formula = "y = a <= b",
              .source = "torch.le",
              .onnx = "LessOrEqual",
              .arithmetic = {.comparisons = 1},
              .saves = Saves::nothing,
              .boolean = true};
    case greater:
      return {.name = "greater",
              .formula = "y = a > b",
              .source = "torch.gt",
              .onnx = "Greater",
              .arithmetic = {.comparisons = 1},
              .saves = Saves::nothing,
              .boolean = true};
    case greater_equal:
      return {.name = "greater_equal",
              .formula = "y = a >= b",
              .source = "torch.ge",
              .onnx = "GreaterOrEqual",
              .arithmetic = {.comparisons = 1},
              .saves = Saves::nothing,
              .boolean = true};
    case logical_and:
      return {.name = "logical_and",
              .formula = "y = a and b",
              .source = "torch.logical_and",
              .onnx = "And",
              .saves = Saves::nothing,
              .boolean = true};
    case logical_or:
      return {.name = "logical_or",
              .formula = "y = a or b",
              .source = "torch.logical_or",
              .onnx = "Or",
              .saves = Saves::nothing,
              .boolean = true};
    case logical_xor:
      return {.name = "logical_xor",
              .formula = "y = a xor b",
              .source = "torch.logical_xor",
              .onnx = "Xor",
              .saves = Saves::nothing,
              .boolean = true};
    case bitwise:
      return {.name = "bitwise",
              .formula = "bit by bit",
              .source = "torch.bitwise_and",
              .saves = Saves::nothing};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::ReduceKind kind) {
  using enum op::ReduceKind;
  switch (kind) {
    case mean:
      return {.name = "mean",
              .formula = "y = sum(x) / length",
              .source = "torch.mean",
              .onnx = "ReduceMean",
              .saves = Saves::nothing};
    case sum:
      return {.name = "sum",
              .formula = "y = sum(x)",
              .source = "torch.sum",
              .onnx = "ReduceSum",
              .saves = Saves::nothing,
              .wide = true};
    case max:
      return {.name = "max", .formula = "y = max(x)", .source = "torch.amax", .onnx = "ReduceMax"};
    case min:
      return {.name = "min", .formula = "y = min(x)", .source = "torch.amin", .onnx = "ReduceMin"};
    case prod:
      return {.name = "prod",
              .formula = "y = product(x)",
              .source = "torch.prod",
              .onnx = "ReduceProd",
              .wide = true};
    case l1:
      return {.name = "l1",
              .formula = "y = sum(|x|)",
              .source = "torch.linalg.vector_norm",
              .onnx = "ReduceL1"};
    case l2:
      return {.name = "l2",
              .formula = "y = sqrt(sum(x^2))",
              .source = "torch.linalg.vector_norm",
              .onnx = "ReduceL2"};
    case log_sum:
      return {.name = "log_sum",
              .formula = "y = log(sum(x))",
              .source = "torch.sum, torch.log",
              .onnx = "ReduceLogSum",
              .wide = true};
    case log_sum_exp:
      return {.name = "log_sum_exp",
              .formula = "y = log(sum(exp(x)))",
              .source = "torch.logsumexp",
              .onnx = "ReduceLogSumExp",
              .wide = true};
    case sum_square:
      return {.name = "sum_square",
              .formula = "y = sum(x^2)",
              .source = "torch.sum, torch.square",
              .onnx = "ReduceSumSquare",
              .wide = true};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::CumulativeKind kind) {
  using enum op::CumulativeKind;
  switch (kind) {
    case sum:
      return {.name = "cumsum",
              .formula = "y[i] = y[i - 1] + x[i]",
              .source = "torch.cumsum",
              .onnx = "CumSum",
              .saves = Saves::nothing,
              .wide = true};
    case prod:
      return {.name = "cumprod",
              .formula = "y[i] = y[i - 1] x[i]",
              .source = "torch.cumprod",
              .wide = true};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::TakeKind kind) {
  using enum op::TakeKind;
  switch (kind) {
    case rows:
      return {.name = "index_select",
              .formula = "rows by an index",
              .source = "torch.index_select",
              .onnx = "Gather",
              .saves = Saves::nothing};
    case elements:
      return {.name = "gather_elements",
              .formula = "elements by an index",
              .source = "torch.gather",
              .onnx = "GatherElements",
              .saves = Saves::nothing};
    case nd:
      return {.name = "gather_nd",
              .formula = "slices by an index",
              .source = "torch.Tensor.__getitem__",
              .onnx = "GatherND",
              .saves = Saves::nothing};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::ResizeKind kind) {
  using enum op::ResizeKind;
  switch (kind) {
    case nearest:
      return {.name = "upsample_nearest",
              .formula = "the nearest element",
              .source = "torch.nn.functional.interpolate",
              .saves = Saves::nothing};
    case linear:
      return {.name = "upsample_linear",
              .formula = "a weighted mean of 2 neighbours a dimension",
              .source = "torch.nn.functional.interpolate",
              .saves = Saves::nothing};
    case cubic:
      return {.name = "upsample_cubic",
              .formula = "a weighted mean of 4 neighbours a dimension",
              .source = "Keys 1981, doi:10.1109/TASSP.1981.1163711",
              .saves = Saves::nothing};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::RecurrentKind kind) {
  using enum op::RecurrentKind;
  switch (kind) {
    case rnn_tanh:
      return {.name = "rnn",
              .formula = "h = tanh(W x + R h + b)",
              .source = "Elman 1990; torch.nn.RNN",
              .onnx = "RNN",
              .arithmetic = {.tangents = 1}};
    case rnn_relu:
      return {.name = "rnn",
              .formula = "h = max(W x + R h + b, 0)",
              .source = "torch.nn.RNN",
              .arithmetic = {.comparisons = 1}};
    case gru:
      return {.name = "gru",
              .formula = "z, r = sigmoid(W x + R h + b); h = (1 - z) tanh(W x + r (R h + b)) + z h",
              .source = "Cho et al. 2014, arXiv:1406.1078",
              .onnx = "GRU",
              .arithmetic = {.multiplications = 3,
                             .additions = 4,
                             .divisions = 2,
                             .exponentials = 2,
                             .tangents = 1}};
    case lstm:
      return {
          .name = "lstm",
          .formula =
              "i, f, o = sigmoid(W x + R h + b); c = f c + i tanh(W x + R h + b); h = o tanh(c)",
          .source = "Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735",
          .onnx = "LSTM",
          .arithmetic = {.multiplications = 3,
                         .additions = 4,
                         .divisions = 3,
                         .exponentials = 3,
                         .tangents = 2}};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

KindTraits traits(op::RecurrenceKind kind) {
  using enum op::RecurrenceKind;
  switch (kind) {
    case selective_scan:
      return {.name = "selective_scan",
              .formula = "h = exp(delta A) h + delta x B; y = h C",
              .source = "Gu & Dao 2023, arXiv:2312.00752, algorithm 2",
              .arithmetic = {.multiplications = 4, .additions = 2, .exponentials = 1}};
    case ssd:
      return {.name = "ssd",
              .formula = "h = exp(delta A) h + delta x B; y = h C, A a number a head",
              .source = "Dao & Gu 2024, arXiv:2405.21060",
              .arithmetic = {.multiplications = 3, .additions = 2}};
    case linear_attention:
      return {.name = "linear_attention",
              .formula = "S = g S + k v^T; y = q S",
              .source = "Katharopoulos et al. 2020, arXiv:2006.16236",
              .arithmetic = {.multiplications = 3, .additions = 2}};
    case gated_delta:
      return {.name = "gated_delta",
              .formula = "S = g S; S = S + beta k (v - k S)^T; y = q S",
              .source = "Yang et al. 2024, arXiv:2412.06464",
              .arithmetic = {.multiplications = 4, .additions = 3}};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

namespace {

// What a window is pooled by; tools know global and adaptive pooling by names of their own.
KindTraits pool_kind(op::PoolKind kind, bool adaptive) {
  switch (kind) {
    case op::PoolKind::max:
      return {.name = adaptive ? "adaptive_max_pool" : "max_pool",
              .formula = "y = max(x) of a window",
              .source = "torch.nn.MaxPool2d"};
    case op::PoolKind::avg:
      return {.name = adaptive ? "adaptive_avg_pool" : "avg_pool",
              .formula = "y = mean(x) of a window",
              .source = "torch.nn.AvgPool2d"};
    case op::PoolKind::lp:
      return {.name = adaptive ? "adaptive_lp_pool" : "lp_pool",
              .formula = "y = sum(|x|^p)^(1/p) of a window",
              .source = "torch.nn.LPPool2d"};
  }
  return {.name = "?", .formula = "?", .source = "?"};
}

// The row of the kind, where the op is of a family.
std::optional<KindTraits> kind_of(const Op& op) {
  if (const auto* o = std::get_if<op::Binary>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Reduce>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Unary>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Cumulative>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Take>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Resize>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Recurrent>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::LinearRecurrence>(&op)) return traits(o->kind);
  if (const auto* o = std::get_if<op::Pool>(&op)) return pool_kind(o->kind, false);
  if (const auto* o = std::get_if<op::AdaptivePool>(&op)) return pool_kind(o->kind, true);
  return std::nullopt;
}

}  // namespace

std::string_view name_of(op::UnaryKind kind) { return traits(kind).name; }

std::string_view name_of(const Op& op) {
  if (const auto* o = std::get_if<op::Opaque>(&op)) return o->type;
  if (const auto* o = std::get_if<op::GroupNorm>(&op); o != nullptr && o->instance)
    return "instance_norm";
  const auto kind = kind_of(op);
  return kind ? kind->name : traits(op).name;
}

OpDefinition definition(const Op& op) {
  const auto kind = kind_of(op);
  return kind ? OpDefinition{kind->formula, kind->source}
              : OpDefinition{traits(op).formula, traits(op).source};
}

bool is_leaf(const Op& op) { return traits(op).fusion == FusionClass::leaf; }

}  // namespace vitals
