// Products: linear layers, convolutions, batched products, attention, embeddings.
#include "core/error.h"
#include "frontends/torch/aten.h"

#include <array>
#include <cmath>

namespace vitals::torch {
namespace {

// x W^T + b with a weight that is a parameter; a bias that is none is added on its own.
NodeId linear_of(AtenContext& c, NodeId x, const Weight& w, const TraceArgument* bias) {
  const auto& shape = c.graph().params[w.param].shape;
  if (shape.rank() != 2) fail("a weight of {} dimensions", shape.rank());
  // aten.t of the parameter stands for the stored layout [out, in].
  const auto in = w.transposed ? shape[1] : shape[0];
  const auto out = w.transposed ? shape[0] : shape[1];
  const auto b = bias == nullptr ? Weight{} : c.weight(*bias);
  const bool plain = b.param != kNone && c.graph().params[b.param].shape == Shape{out};
  const op::Linear op{in, out, plain, !w.transposed};
  const auto y = c.add(op, {x}, w.param, plain ? b.param : kNone);
  if (bias == nullptr || !AtenContext::is_tensor(*bias) || plain) return y;
  return c.add(op::Binary{op::BinaryKind::add}, {y, c.tensor(*bias)});
}

std::vector<NodeId> mm(AtenContext& c) {
  const auto w = c.weight(c.argument(1));
  if (w.param != kNone) return {linear_of(c, c.tensor(0), w, nullptr)};
  return {c.add(op::MatMul{}, {c.tensor(0), c.tensor(1)})};
}

std::vector<NodeId> addmm(AtenContext& c) {
  const auto w = c.weight(c.argument(2));
  if (w.param != kNone) return {linear_of(c, c.tensor(1), w, &c.argument(0))};
  const auto product = c.add(op::MatMul{}, {c.tensor(1), c.tensor(2)});
  return {c.add(op::Binary{op::BinaryKind::add}, {product, c.tensor(0)})};
}

std::vector<NodeId> baddbmm(AtenContext& c) {
  const auto product = c.add(op::MatMul{}, {c.tensor(1), c.tensor(2)});
  return {c.add(op::Binary{op::BinaryKind::add}, {product, c.tensor(0)})};
}

std::vector<NodeId> bmm(AtenContext& c) {
  return {c.add(op::MatMul{}, {c.tensor(0), c.tensor(1)})};
}

std::vector<NodeId> matmul(AtenContext& c) {
  const auto w = c.weight(c.argument(1));
  const bool matrix = w.param != kNone && c.graph().params[w.param].shape.rank() == 2;
  if (matrix) return {linear_of(c, c.tensor(0), w, nullptr)};
  return bmm(c);
}

// torch.nn.functional.linear: the weight as it is stored.
std::vector<NodeId> linear(AtenContext& c) {
  auto w = c.weight(c.argument(1, "weight"));
  const auto& bias = c.argument(2, "bias");
  if (w.param != kNone && !w.transposed) {
    w.transposed = true;
    return {linear_of(c, c.tensor(0), w, AtenContext::is_tensor(bias) ? &bias : nullptr)};
  }
  const auto weight = c.tensor(c.argument(1, "weight"));
  const auto turned = c.add(op::Permute{{1, 0}}, {weight});
  const auto y = c.add(op::MatMul{}, {c.tensor(0), turned});
  if (!AtenContext::is_tensor(bias)) return {y};
  return {c.add(op::Binary{op::BinaryKind::add}, {y, c.tensor(bias)})};
}

op::Extent extent(const std::vector<std::int64_t>& values, std::size_t dims, std::uint32_t absent) {
  op::Extent e{absent, absent, absent};
  for (std::size_t i = 0; i < dims && !values.empty(); ++i) {
    const auto v = values[values.size() == 1 ? 0 : i];
    if (v < 0 || v > 0x7fffffff) fail("a size of {} in a window", v);
    e[i] = static_cast<std::uint32_t>(v);
  }
  for (std::size_t i = dims; i < 3; ++i) e[i] = absent;
  return e;
}

struct ConvArguments {
  std::size_t stride = 3;
  std::size_t padding = 4;
  std::size_t dilation = 5;
  std::size_t groups = 6;
  std::size_t output_padding = 99;
  bool transposed = false;
};

NodeId conv(AtenContext& c, const ConvArguments& a) {
  const auto& weight = c.argument(1, "weight");
  const auto w = c.weight(weight);
  if (w.param == kNone || w.transposed) fail("the kernel is no parameter");
  const auto& kernel = c.graph().params[w.param].shape;
  const auto x = c.tensor(0);
  const auto dims = kernel.rank() - 2;
  if (kernel.rank() < 3 || dims > 3 || c.graph().nodes[x].shape.rank() != kernel.rank())
    fail("[conv] {} dimensions", kernel.rank());
  const auto groups =
      static_cast<std::uint64_t>(std::max<std::int64_t>(1, c.integer(a.groups, 1, "groups")));
  op::Conv op;
  op.transposed = a.transposed;
  op.groups = groups;
  op.in = a.transposed ? kernel[0] : kernel[1] * groups;
  op.out = a.transposed ? kernel[1] * groups : kernel[0];
  op.spatial_dims = static_cast<std::uint8_t>(dims);
  for (std::size_t i = 0; i < dims; ++i) op.kernel[i] = static_cast<std::uint32_t>(kernel[i + 2]);
  op.stride = extent(c.integers(a.stride, "stride"), dims, 1);
  op.dilation = extent(c.integers(a.dilation, "dilation"), dims, 1);
  op.padding = extent(c.integers(a.padding, "padding"), dims, 0);
  if (a.transposed)
    op.output_padding = extent(c.integers(a.output_padding, "output_padding"), dims, 0);
  const auto& bias = c.argument(2, "bias");
  const auto b = AtenContext::is_tensor(bias) ? c.weight(bias) : Weight{};
  op.bias = b.param != kNone;
  return c.add(op, {x}, w.param, b.param);
}

// convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
std::vector<NodeId> convolution(AtenContext& c) {
  ConvArguments a;
  a.groups = 8;
  a.output_padding = 7;
  a.transposed = c.flag(6, false, "transposed");
  return {conv(c, a)};
}

std::vector<NodeId> conv_nd(AtenContext& c) { return {conv(c, {})}; }

// conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups, dilation)
std::vector<NodeId> conv_transpose(AtenContext& c) { return {conv(c, {3, 4, 7, 6, 5, true})}; }

std::vector<NodeId> embedding(AtenContext& c) {
  const auto w = c.weight(c.argument(0));
  if (w.param == kNone || w.transposed) {
    const op::Take rows{op::TakeKind::rows, 0, 0};
    return {c.add(rows, {c.tensor(0), c.tensor(1)})};
  }
  const auto& shape = c.graph().params[w.param].shape;
  if (shape.rank() != 2) fail("a table of {} dimensions", shape.rank());
  return {c.add(op::Embedding{shape[0], shape[1]}, {c.tensor(1)}, w.param)};
}

struct SdpaArguments {
  std::size_t bias = 99;
  std::size_t dropout = 3;
  std::size_t causal = 4;
};

std::vector<NodeId> sdpa(AtenContext& c, const SdpaArguments& a) {
  std::vector<NodeId> inputs = {c.tensor(0), c.tensor(1), c.tensor(2)};
  const auto& bias = c.argument(a.bias, "attn_mask");
  const auto& q = c.graph().nodes[inputs[0]].shape;
  if (q.rank() < 2) fail("[sdpa] queries {}", to_string(q));
  op::Sdpa op;
  op.scale = c.number(99, 1.0 / std::sqrt(static_cast<double>(q.at(-1))), "scale");
  op.dropout = c.number(a.dropout, 0, "dropout_p");
  op.causal = c.flag(a.causal, false, "is_causal");
  if (AtenContext::is_tensor(bias)) {
    op.bias = true;
    inputs.push_back(c.tensor(bias));
  }
  return {c.add(op, inputs)};
}

// scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
std::vector<NodeId> attention(AtenContext& c) { return sdpa(c, {3, 4, 5}); }
// _scaled_dot_product_flash_attention(q, k, v, dropout_p, is_causal, ...), its form for a CPU alike
std::vector<NodeId> flash_attention(AtenContext& c) { return sdpa(c, {}); }
// _scaled_dot_product_efficient_attention(q, k, v, attn_bias, compute_log_sumexp, dropout_p,
// is_causal)
std::vector<NodeId> efficient_attention(AtenContext& c) { return sdpa(c, {3, 5, 6}); }

constexpr AtenEntry kProductRules[] = {
    {"mm", mm},
    {"addmm", addmm},
    {"bmm", bmm},
    {"baddbmm", baddbmm},
    {"matmul", matmul},
    {"linear", linear},
    {"convolution", convolution},
    {"_convolution", convolution},
    {"convolution_overrideable", convolution},
    {"conv1d", conv_nd},
    {"conv2d", conv_nd},
    {"conv3d", conv_nd},
    {"conv_transpose1d", conv_transpose},
    {"conv_transpose2d", conv_transpose},
    {"conv_transpose3d", conv_transpose},
    {"embedding", embedding},
    {"scaled_dot_product_attention", attention},
    {"_scaled_dot_product_attention_math", attention},
    {"_scaled_dot_product_flash_attention", flash_attention},
    {"_scaled_dot_product_flash_attention_for_cpu", flash_attention},
    {"_scaled_dot_product_efficient_attention", efficient_attention},
    {"_scaled_dot_product_cudnn_attention", efficient_attention},
};

}  // namespace

std::span<const AtenEntry> aten_products() { return kProductRules; }

}  // namespace vitals::torch
