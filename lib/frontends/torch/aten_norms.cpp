// Normalisations, pools, softmax, reductions, dropout, resizing.
#include "core/error.h"
#include "frontends/torch/aten.h"

#include <algorithm>

namespace vitals::torch {
namespace {

// The parameters of an affine norm; a weight that is computed is no norm of ours.
struct Affine {
  ParamId weight = kNone;
  ParamId bias = kNone;
};

Affine affine(AtenContext& c, std::size_t weight, std::size_t bias) {
  const auto one = [&](std::size_t place, const char* name) {
    const auto& a = c.argument(place, name);
    if (!AtenContext::is_tensor(a)) return kNone;
    const auto w = c.weight(a);
    if (w.param == kNone || w.transposed) fail("the {} is no parameter", name);
    return w.param;
  };
  return {one(weight, "weight"), one(bias, "bias")};
}

// native_layer_norm(x, shape, weight, bias, eps), layer_norm alike
std::vector<NodeId> layer_norm(AtenContext& c) {
  const auto sizes = c.integers(1, "normalized_shape");
  if (sizes.size() != 1) fail("over {} dimensions", sizes.size());
  const auto p = affine(c, 2, 3);
  const op::LayerNorm op{c.number(4, 1e-5, "eps"), p.weight != kNone, p.bias != kNone};
  return {c.add(op, {c.tensor(0)}, p.weight, p.bias)};
}

// rms_norm(x, shape, weight, eps)
std::vector<NodeId> rms_norm(AtenContext& c) {
  const auto sizes = c.integers(1, "normalized_shape");
  if (sizes.size() != 1) fail("over {} dimensions", sizes.size());
  const auto p = affine(c, 2, 99);
  return {c.add(op::RmsNorm{c.number(3, 1e-6, "eps"), p.weight != kNone}, {c.tensor(0)}, p.weight)};
}

std::vector<NodeId> batch_norm(AtenContext& c, bool training, std::size_t eps) {
  const auto p = affine(c, 1, 2);
  op::BatchNorm op;
  op.training = training || !AtenContext::is_tensor(c.argument(3));
  op.affine = p.weight != kNone;
  op.eps = c.number(eps, 1e-5, "eps");
  std::vector<NodeId> inputs = {c.tensor(0)};
  if (!op.training) {
    inputs.push_back(c.tensor(3));
    inputs.push_back(c.tensor(4));
  }
  return {c.add(op, inputs, p.weight, p.bias)};
}

// native_batch_norm(x, weight, bias, mean, var, training, momentum, eps), batch_norm,
// cudnn_batch_norm
std::vector<NodeId> batch_norm_native(AtenContext& c) { return batch_norm(c, c.flag(5, false), 7); }
std::vector<NodeId> batch_norm_evaluated(AtenContext& c) { return batch_norm(c, false, 6); }
std::vector<NodeId> batch_norm_training(AtenContext& c) { return batch_norm(c, true, 6); }

// native_group_norm(x, weight, bias, N, C, HxW, groups, eps)
std::vector<NodeId> native_group_norm(AtenContext& c) {
  const auto p = affine(c, 1, 2);
  op::GroupNorm op;
  op.groups = static_cast<std::uint64_t>(std::max<std::int64_t>(1, c.integer(6, 1)));
  op.eps = c.number(7, 1e-5);
  op.affine = p.weight != kNone;
  return {c.add(op, {c.tensor(0)}, p.weight, p.bias)};
}

// group_norm(x, groups, weight, bias, eps)
std::vector<NodeId> group_norm(AtenContext& c) {
  const auto p = affine(c, 2, 3);
  op::GroupNorm op;
  op.groups = static_cast<std::uint64_t>(std::max<std::int64_t>(1, c.integer(1, 1)));
  op.eps = c.number(4, 1e-5, "eps");
  op.affine = p.weight != kNone;
  return {c.add(op, {c.tensor(0)}, p.weight, p.bias)};
}

std::vector<NodeId> softmax(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dim = AtenContext::axis(c.integer(1, -1, "dim"), c.graph().nodes[x].shape.rank());
  return {c.add(op::Softmax{false, dim}, {x})};
}
std::vector<NodeId> log_softmax(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dim = AtenContext::axis(c.integer(1, -1, "dim"), c.graph().nodes[x].shape.rank());
  return {c.add(op::Softmax{true, dim}, {x})};
}

op::Extent window(const std::vector<std::int64_t>& values, std::size_t dims, op::Extent absent) {
  if (values.empty()) return absent;
  op::Extent e = absent;
  for (std::size_t i = 0; i < dims; ++i) {
    const auto v = values[values.size() == 1 ? 0 : i];
    if (v < 0 || v > 0x7fffffff) fail("a window of {}", v);
    e[i] = static_cast<std::uint32_t>(v);
  }
  return e;
}

struct PoolArguments {
  op::PoolKind kind = op::PoolKind::max;
  std::size_t dilation = 99;
  std::size_t ceil = 99;
  std::size_t count = 99;
};

// Of the last dimensions; a batch that is missing is one of 1, which ATen's ops do without.
std::vector<NodeId> pool(AtenContext& c, std::size_t dims, const PoolArguments& a) {
  const auto x = c.tensor(0);
  if (c.graph().nodes[x].shape.rank() != dims + 2) fail("[pool] without a batch");
  op::Pool op;
  op.kind = a.kind;
  op.spatial_dims = static_cast<std::uint8_t>(dims);
  op.kernel = window(c.integers(1, "kernel_size"), dims, {1, 1, 1});
  op.stride = window(c.integers(2, "stride"), dims, op.kernel);
  op.padding = window(c.integers(3, "padding"), dims, {0, 0, 0});
  op.dilation = window(c.integers(a.dilation, "dilation"), dims, {1, 1, 1});
  op.ceil_mode = c.flag(a.ceil, false, "ceil_mode");
  op.count_padding = c.flag(a.count, true, "count_include_pad");
  return {c.add(op, {x})};
}

template <std::size_t Dims>
std::vector<NodeId> max_pool(AtenContext& c) {
  return pool(c, Dims, {op::PoolKind::max, 4, 5, 99});
}
template <std::size_t Dims>
std::vector<NodeId> avg_pool(AtenContext& c) {
  return pool(c, Dims, {op::PoolKind::avg, 99, 4, 5});
}

template <std::size_t Dims, op::PoolKind Kind>
std::vector<NodeId> adaptive_pool(AtenContext& c) {
  const auto x = c.tensor(0);
  if (c.graph().nodes[x].shape.rank() != Dims + 2) fail("[pool] without a batch");
  op::AdaptivePool op;
  op.kind = Kind;
  op.spatial_dims = static_cast<std::uint8_t>(Dims);
  op.output = window(c.integers(1, "output_size"), Dims, {1, 1, 1});
  return {c.add(op, {x})};
}

std::vector<NodeId> reduced(AtenContext& c, op::ReduceKind kind) {
  const auto x = c.tensor(0);
  const auto rank = c.graph().nodes[x].shape.rank();
  auto dims = c.integers(1, "dim");
  if (dims.empty())
    for (std::size_t i = 0; i < rank; ++i) dims.push_back(static_cast<std::int64_t>(i));
  if (dims.empty()) fail("a reduction of a number");
  op::Reduce op;
  op.kind = kind;
  op.keep = c.flag(2, false, "keepdim");
  op.axis = AtenContext::axis(dims[0], rank);
  for (std::size_t i = 1; i < dims.size(); ++i)
    op.more.push_back(static_cast<std::uint64_t>(AtenContext::axis(dims[i], rank)));
  return {c.add(op, {x})};
}
// The mean over all positions of images is what adaptive_avg_pool2d(1) becomes.
std::vector<NodeId> mean(AtenContext& c) { return reduced(c, op::ReduceKind::mean); }
std::vector<NodeId> sum(AtenContext& c) { return reduced(c, op::ReduceKind::sum); }
std::vector<NodeId> largest(AtenContext& c) { return reduced(c, op::ReduceKind::max); }
std::vector<NodeId> smallest(AtenContext& c) { return reduced(c, op::ReduceKind::min); }
std::vector<NodeId> product(AtenContext& c) { return reduced(c, op::ReduceKind::prod); }

std::vector<NodeId> argmax(AtenContext& c) {
  const auto x = c.tensor(0);
  if (!c.given(1, "dim")) fail("over all dimensions");
  const auto dim = AtenContext::axis(c.integer(1, -1, "dim"), c.graph().nodes[x].shape.rank());
  return {c.add(op::ArgReduce{false, dim, c.flag(2, false, "keepdim")}, {x})};
}

// topk(x, k, dim, largest)
std::vector<NodeId> topk(AtenContext& c) {
  const auto x = c.tensor(0);
  op::TopK op;
  op.k = static_cast<std::uint64_t>(std::max<std::int64_t>(0, c.integer(1, 1, "k")));
  op.axis = AtenContext::axis(c.integer(2, -1, "dim"), c.graph().nodes[x].shape.rank());
  op.smallest = !c.flag(3, true, "largest");
  return {c.add(op, {x})};
}

std::vector<NodeId> cumsum(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), c.graph().nodes[x].shape.rank());
  return {c.add(op::Cumulative{op::CumulativeKind::sum, dim}, {x})};
}

// native_dropout(x, p, train), dropout alike
std::vector<NodeId> dropout(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto rate = c.number(1, 0.5, "p");
  if (!c.flag(2, true, "train") || rate <= 0) return {x};
  return {c.add(op::Dropout{std::min(rate, 1.0)}, {x})};
}

std::vector<NodeId> resize(AtenContext& c, op::ResizeKind kind) {
  return {c.add(op::Resize{kind, c.result(0).shape}, {c.tensor(0)})};
}
std::vector<NodeId> nearest(AtenContext& c) { return resize(c, op::ResizeKind::nearest); }
std::vector<NodeId> bilinear(AtenContext& c) { return resize(c, op::ResizeKind::linear); }
std::vector<NodeId> bicubic(AtenContext& c) { return resize(c, op::ResizeKind::cubic); }

constexpr AtenEntry kNormRules[] = {
    {"native_layer_norm", layer_norm},
    {"layer_norm", layer_norm},
    {"rms_norm", rms_norm},
    {"_fused_rms_norm", rms_norm},
    {"native_batch_norm", batch_norm_native},
    {"batch_norm", batch_norm_native},
    {"cudnn_batch_norm", batch_norm_native},
    {"miopen_batch_norm", batch_norm_native},
    {"_native_batch_norm_legit", batch_norm_native},
    {"_native_batch_norm_legit_no_training", batch_norm_evaluated},
    {"_batch_norm_with_update", batch_norm_training},
    {"native_group_norm", native_group_norm},
    {"group_norm", group_norm},
    {"_softmax", softmax},
    {"softmax", softmax},
    {"_log_softmax", log_softmax},
    {"log_softmax", log_softmax},
    {"max_pool1d", max_pool<1>},
    {"max_pool2d", max_pool<2>},
    {"max_pool3d", max_pool<3>},
    {"max_pool2d_with_indices", max_pool<2>},
    {"max_pool3d_with_indices", max_pool<3>},
    {"avg_pool1d", avg_pool<1>},
    {"avg_pool2d", avg_pool<2>},
    {"avg_pool3d", avg_pool<3>},
    {"adaptive_avg_pool1d", adaptive_pool<1, op::PoolKind::avg>},
    {"adaptive_avg_pool2d", adaptive_pool<2, op::PoolKind::avg>},
    {"_adaptive_avg_pool2d", adaptive_pool<2, op::PoolKind::avg>},
    {"adaptive_avg_pool3d", adaptive_pool<3, op::PoolKind::avg>},
    {"_adaptive_avg_pool3d", adaptive_pool<3, op::PoolKind::avg>},
    {"adaptive_max_pool1d", adaptive_pool<1, op::PoolKind::max>},
    {"adaptive_max_pool2d", adaptive_pool<2, op::PoolKind::max>},
    {"mean", mean},
    {"sum", sum},
    {"amax", largest},
    {"amin", smallest},
    {"prod", product},
    {"argmax", argmax},
    {"topk", topk},
    {"cumsum", cumsum},
    {"native_dropout", dropout},
    {"dropout", dropout},
    {"upsample_nearest1d", nearest},
    {"upsample_nearest2d", nearest},
    {"upsample_nearest3d", nearest},
    {"_upsample_nearest_exact2d", nearest},
    {"upsample_linear1d", bilinear},
    {"upsample_bilinear2d", bilinear},
    {"_upsample_bilinear2d_aa", bilinear},
    {"upsample_trilinear3d", bilinear},
    {"upsample_bicubic2d", bicubic},
};

}  // namespace

std::span<const AtenEntry> aten_norms() { return kNormRules; }

}  // namespace vitals::torch
