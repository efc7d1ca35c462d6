#include "frontends/onnx/emit_ops.h"

#include "frontends/onnx/windows.h"
#include "graph/op_traits.h"

#include <algorithm>
#include <unordered_map>

namespace vitals::onnx {
namespace {

using vitals::Tensor;

std::uint64_t size(std::int64_t d) { return static_cast<std::uint64_t>(d); }

// --- Products

op::Extent extent(const Extents& values, std::uint32_t otherwise) {
  op::Extent result{otherwise, otherwise, otherwise};
  for (std::size_t i = 0; i < values.size() && i < result.size(); ++i)
    result[i] = static_cast<std::uint32_t>(values[i]);
  return result;
}

std::array<std::int32_t, 3> behind(const Windows& w) {
  std::array<std::int32_t, 3> more{0, 0, 0};
  for (std::size_t i = 0; i < w.end.size() && i < more.size(); ++i)
    more[i] = static_cast<std::int32_t>(w.end[i] - w.begin[i]);
  return more;
}

Tensors convolution(StepWriter& w, const Step& step, bool transposed) {
  const auto c = w.context(step);
  const bool has_bias = c.has(2);
  if (!w.is_parameter(c.id(1)) || (has_bias && !w.is_parameter(c.id(2)))) return {};
  const auto& x = c.dims(0);
  const auto& weight = c.dims(1);
  if (x.size() > 5) return {};
  const auto windows = windows_of(c, x, Extents(weight.begin() + 2, weight.end()));
  op::Conv conv;
  conv.groups = size(c.integer("group", 1));
  conv.in = size(x[1]);
  conv.out = size(transposed ? weight[1] * c.integer("group", 1) : weight[0]);
  conv.kernel = extent(windows.kernel, 1);
  conv.stride = extent(windows.strides, 1);
  conv.padding = extent(windows.begin, 0);
  conv.more_padding = behind(windows);
  conv.dilation = extent(windows.dilations, 1);
  conv.spatial_dims = static_cast<std::uint8_t>(x.size() - 2);
  conv.bias = has_bias;
  conv.transposed = transposed;
  conv.output_padding = extent(c.list("output_padding"), 0);
  const auto kernel = w.parameter(c.id(1), false);
  const auto bias = has_bias ? w.parameter(c.id(2), false) : kNone;
  return {w.builder().add(conv, {w.value(c.id(0))}, kernel, bias)};
}

Tensors conv(StepWriter& w, const Step& s) { return convolution(w, s, false); }
Tensors conv_transpose(StepWriter& w, const Step& s) { return convolution(w, s, true); }

// x W^T + b, W stored either way round.
Tensors gemm(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const bool bias = c.has(2);
  if (!w.is_parameter(c.id(1)) || c.integer("transA", 0) != 0) return {};
  if (bias && (!w.is_parameter(c.id(2)) || c.rank(2) != 1)) return {};
  const bool rows_in = c.integer("transB", 0) == 0;
  const auto& weight = c.dims(1);
  const auto out = size(weight[rows_in ? 1 : 0]);
  const auto matrix = w.parameter(c.id(1), false);
  const auto added = bias ? w.parameter(c.id(2), false) : kNone;
  return {w.builder().linear(w.value(c.id(0)), out, matrix, added, rows_in)};
}

Tensors matmul(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  if (c.rank(0) < 2 || c.rank(1) < 2) return {};
  if (w.is_parameter(c.id(1)) && c.rank(1) == 2) {
    const auto out = size(c.dims(1)[1]);
    return {w.builder().linear(w.value(c.id(0)), out, w.parameter(c.id(1), false), kNone, true)};
  }
  const auto a = w.value(c.id(0));
  return {w.builder().matmul(a, w.value(c.id(1)))};
}

// --- Norms, pools

Tensors batch_norm(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  for (std::size_t i = 1; i < 5; ++i)
    if (!w.is_parameter(c.id(i))) return {};
  auto& b = w.builder();
  op::BatchNorm norm;
  norm.eps = c.real("epsilon", 1e-5);
  norm.training = c.integer("training_mode", 0) != 0;
  const auto weight = w.parameter(c.id(1), false);
  const auto bias = w.parameter(c.id(2), false);
  Tensors inputs = {w.value(c.id(0))};
  for (std::size_t i = 3; i < 5; ++i) {
    const auto running = w.parameter(c.id(i), true);
    if (!norm.training) inputs.push_back(b.add(op::Parameter{shape_of(c.in(i))}, {}, running));
  }
  auto y = b.add(norm, inputs, weight, bias);
  Tensors made = {y};
  for (std::size_t i = 1; i < step.outputs.size(); ++i)
    if (step.outputs[i] != kAbsent)
      made.push_back(b.add(
          op::SideOutput{shape_of(w.info(step.outputs[i])), dtype_of(w.info(step.outputs[i]).type)},
          {y}));
  return made;
}

Tensors layer_norm(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const auto last = static_cast<std::int64_t>(c.rank(0)) - 1;
  const auto axis = c.integer("axis", -1);
  if ((axis != -1 && axis != last) || !w.is_parameter(c.id(1)) || step.outputs.size() > 1)
    return {};
  const bool bias = c.has(2);
  if (bias && !w.is_parameter(c.id(2))) return {};
  const auto weight = w.parameter(c.id(1), false);
  const auto shift = bias ? w.parameter(c.id(2), false) : kNone;
  return {w.builder().add(op::LayerNorm{c.real("epsilon", 1e-5), true, bias}, {w.value(c.id(0))},
                          weight, shift)};
}

Tensors group_norm(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const bool instance = step.type == "InstanceNormalization";
  if (!w.is_parameter(c.id(1)) || !w.is_parameter(c.id(2))) return {};
  const auto channels = size(c.dims(0).at(1));
  if (size(c.dims(1).at(0)) != channels) return {};  // opset 18: one a group
  const auto groups = instance ? channels : size(c.integer("num_groups", 1));
  const auto weight = w.parameter(c.id(1), false);
  const auto bias = w.parameter(c.id(2), false);
  return {w.builder().add(op::GroupNorm{groups, c.real("epsilon", 1e-5), true, instance},
                          {w.value(c.id(0))}, weight, bias)};
}

Tensors pool(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  if (c.rank(0) > 5 || step.outputs.size() > 1) return {};
  const auto windows = windows_of(c, c.dims(0), {});
  op::Pool p;
  p.kind = step.type == "MaxPool"       ? op::PoolKind::max
           : step.type == "AveragePool" ? op::PoolKind::avg
                                        : op::PoolKind::lp;
  p.kernel = extent(windows.kernel, 1);
  p.stride = extent(windows.strides, 1);
  p.padding = extent(windows.begin, 0);
  p.more_padding = behind(windows);
  p.dilation = extent(windows.dilations, 1);
  p.spatial_dims = static_cast<std::uint8_t>(c.rank(0) - 2);
  p.ceil_mode = c.integer("ceil_mode", 0) != 0;
  p.count_padding = c.integer("count_include_pad", 0) != 0;
  return {w.builder().add(p, {w.value(c.id(0))})};
}

Tensors global_pool(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  if (c.rank(0) < 3 || c.rank(0) > 5) return {};
  op::AdaptivePool p;
  p.kind = step.type == "GlobalMaxPool" ? op::PoolKind::max : op::PoolKind::avg;
  p.spatial_dims = static_cast<std::uint8_t>(c.rank(0) - 2);
  return {w.builder().add(p, {w.value(c.id(0))})};
}

// --- Elementwise

template <class Kind>
std::unordered_map<std::string_view, Kind> by_onnx_name(Kind last) {
  std::unordered_map<std::string_view, Kind> kinds;
  for (std::uint8_t k = 0; k <= static_cast<std::uint8_t>(last); ++k)
    if (const auto name = traits(static_cast<Kind>(k)).onnx; !name.empty())
      kinds.emplace(name, static_cast<Kind>(k));
  return kinds;
}

const auto& unary_kinds() {
  static const auto kKinds = by_onnx_name(op::UnaryKind::is_inf);
  return kKinds;
}
const auto& binary_kinds() {
  static const auto kKinds = by_onnx_name(op::BinaryKind::bitwise);
  return kKinds;
}

Tensors unary(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  op::Unary u{unary_kinds().at(step.type), c.real("alpha", 0), c.real("beta", 0)};
  if (u.kind == op::UnaryKind::gelu && c.text("approximate", "none") == "tanh")
    u.kind = op::UnaryKind::gelu_tanh;
  return {w.builder().add(u, {w.value(c.id(0))})};
}

Tensors binary(StepWriter& w, const Step& step) {
  if (step.inputs.size() != 2) return {};  // Min and Max of any number
  const auto c = w.context(step);
  const auto a = w.value(c.id(0));
  const auto b = w.value(c.id(1));
  return {w.builder().add(op::Binary{binary_kinds().at(step.type)}, {a, b})};
}

Tensors where(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const auto condition = w.value(c.id(0));
  const auto a = w.value(c.id(1));
  const auto b = w.value(c.id(2));
  return {w.builder().add(op::Where{}, {condition, a, b})};
}

Tensors cast(StepWriter& w, const Step& step) {
  const auto type = dtype_of(w.info(step.outputs.at(0)).type);
  return {w.builder().add(op::Cast{type}, {w.value(step.inputs.at(0))})};
}

Tensors softmax(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const auto axis = c.integer("axis", step.opset < 13 ? 1 : -1);
  const auto last = static_cast<std::int64_t>(c.rank(0)) - 1;
  if (step.opset < 13 && axis != -1 && axis != last) return {};  // over all axes from there on
  return {w.builder().add(op::Softmax{step.type == "LogSoftmax", static_cast<int>(axis)},
                          {w.value(c.id(0))})};
}

// --- Moves

Tensors same(StepWriter& w, const Step& step) {
  Tensors made = {w.value(step.inputs.at(0))};
  for (std::size_t i = 1; i < step.outputs.size(); ++i)
    if (step.outputs[i] != kAbsent) return {};
  return made;
}

Tensors reshaped(StepWriter& w, const Step& step) {
  return {w.builder().reshape(w.value(step.inputs.at(0)), shape_of(w.info(step.outputs.at(0))))};
}

Tensors expanded(StepWriter& w, const Step& step) {
  return {w.builder().expand(w.value(step.inputs.at(0)), shape_of(w.info(step.outputs.at(0))))};
}

Tensors transposed(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const auto rank = c.rank(0);
  if (rank > kMaxRank) return {};
  const auto order = c.list("perm");
  Dims dims;
  for (std::size_t i = 0; i < rank; ++i)
    dims.push_back(order.empty() ? rank - 1 - i : size(order.at(i)));
  return {w.builder().permute(w.value(c.id(0)), dims)};
}

Tensors concat(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  Tensors inputs;
  for (std::size_t i = 0; i < c.count(); ++i) inputs.push_back(w.value(c.id(i)));
  return {w.builder().concat(inputs, static_cast<int>(c.axis(c.integer("axis", 0), c.rank(0))))};
}

Tensors split(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const auto axis = c.axis(c.integer("axis", 0), c.rank(0));
  std::vector<std::uint64_t> lengths;
  for (const auto id : step.outputs) {
    if (id == kAbsent) return {};
    lengths.push_back(size(w.info(id).dims.at(axis)));
  }
  return w.builder().split(w.value(c.id(0)), static_cast<int>(axis), lengths);
}

// Along one axis at a time.
Tensors slice(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const auto& from = c.dims(0);
  const auto& to = w.info(step.outputs.at(0)).dims;
  if (!c.has(1) || (c.has(4) && c.numbers(4) == nullptr)) return {};
  const auto& starts = c.integers(1);
  auto x = w.value(c.id(0));
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto stated = c.has(3) ? c.integers(3).at(i) : static_cast<std::int64_t>(i);
    const auto axis = c.axis(stated, from.size());
    if (c.has(4) && c.integers(4).at(i) != 1) return {};
    const auto start = starts[i] < 0 ? starts[i] + from[axis] : starts[i];
    const auto first = std::clamp<std::int64_t>(start, 0, from[axis]);
    if (from[axis] == to[axis]) continue;
    x = w.builder().slice(x, static_cast<int>(axis), size(first), size(to[axis]));
  }
  return {x};
}

// A table of rows by a computed index is an embedding; any other one, rows that are taken.
Tensors gather(StepWriter& w, const Step& step) {
  const auto c = w.context(step);
  const auto axis = c.axis(c.integer("axis", 0), c.rank(0));
  auto& b = w.builder();
  if (w.is_parameter(c.id(0)) && c.rank(0) == 2 && axis == 0 && c.in(1).constant == nullptr) {
    const auto rows = size(c.dims(0)[0]);
    const auto width = size(c.dims(0)[1]);
    const auto ids = w.value(c.id(1));
    return {b.add(op::Embedding{rows, width}, {ids}, w.parameter(c.id(0), false))};
  }
  const auto* numbers = c.numbers(1);
  if (numbers != nullptr && numbers->integers.size() == 1 && c.rank(1) == 0) {
    const auto at = numbers->integers[0];
    const auto index = at < 0 ? at + c.dims(0)[axis] : at;
    return {b.select(w.value(c.id(0)), static_cast<int>(axis), size(index))};
  }
  const auto x = w.value(c.id(0));
  return {b.add(op::Take{op::TakeKind::rows, static_cast<int>(axis)}, {x, w.value(c.id(1))})};
}

Tensors reduce(StepWriter& w, const Step& step) {
  static const auto kKinds = by_onnx_name(op::ReduceKind::sum_square);
  const auto c = w.context(step);
  auto axes = c.has(1) ? c.integers(1) : c.list("axes");
  if (axes.empty()) {
    if (c.integer("noop_with_empty_axes", 0) != 0) return {};
    for (std::size_t i = 0; i < c.rank(0); ++i) axes.push_back(static_cast<std::int64_t>(i));
  }
  if (axes.empty()) return {};
  op::Reduce r;
  r.kind = kKinds.at(step.type);
  r.keep = c.integer("keepdims", 1) != 0;
  r.axis = static_cast<int>(c.axis(axes[0], c.rank(0)));
  for (std::size_t i = 1; i < axes.size(); ++i) r.more.push_back(c.axis(axes[i], c.rank(0)));
  return {w.builder().add(r, {w.value(c.id(0))})};
}

using Rules = std::unordered_map<std::string_view, OpRule>;

Rules all_rules() {
  Rules rules = {
      {"Conv", conv},
      {"ConvTranspose", conv_transpose},
      {"Gemm", gemm},
      {"MatMul", matmul},
      {"BatchNormalization", batch_norm},
      {"LayerNormalization", layer_norm},
      {"GroupNormalization", group_norm},
      {"InstanceNormalization", group_norm},
      {"MaxPool", pool},
      {"AveragePool", pool},
      {"GlobalAveragePool", global_pool},
      {"GlobalMaxPool", global_pool},
      {"Where", where},
      {"Cast", cast},
      {"Softmax", softmax},
      {"LogSoftmax", softmax},
      {"Identity", same},
      {"Dropout", same},
      {"Reshape", reshaped},
      {"Flatten", reshaped},
      {"Squeeze", reshaped},
      {"Unsqueeze", reshaped},
      {"Expand", expanded},
      {"Transpose", transposed},
      {"Concat", concat},
      {"Split", split},
      {"Slice", slice},
      {"Gather", gather},
  };
  for (const auto& kind : unary_kinds()) rules.emplace(kind.first, unary);
  for (const auto& kind : binary_kinds()) rules.emplace(kind.first, binary);
  for (const char* name :
       {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
        "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"})
    rules.emplace(name, reduce);
  return rules;
}

}  // namespace

OpRule op_rule(std::string_view type) {
  static const Rules kRules = all_rules();
  const auto found = kRules.find(type);
  return found == kRules.end() ? nullptr : found->second;
}

}  // namespace vitals::onnx
