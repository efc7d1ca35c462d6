// Ops of convolutional, recurrent and imported networks. Shapes, multiply-accumulates and saved
// bytes are those of modules that ran under PyTorch 1.13.1 (multiply-accumulates counted under its
// dispatcher, saved bytes by saved_tensors_hooks, CPU, fp32) and fvcore's count of the same
// modules.
#include "conventions/conventions.h"
#include "cost/arithmetic.h"
#include "cost/macs.h"
#include "cost/op_totals.h"
#include "cost/traffic.h"
#include "cost/training_flops.h"
#include "graph/einsum.h"
#include "memory/estimate.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

struct Result {
  Shape shape;
  std::uint64_t macs = 0;
};

// One op on an input of a shape.
Result result_of(const Shape& x, const Op& op, const Shape& weight = {}) {
  Builder b("model", {});
  const auto in = b.input(x);
  const auto y = b.add(op, {in}, weight.empty() ? kNone : b.param("weight", weight));
  const auto graph = b.finish({y});
  return {graph.nodes.back().shape, macs(graph, graph.nodes.back()).value()};
}

op::Conv conv(std::uint64_t in, std::uint64_t out, std::uint8_t dims, op::Extent kernel) {
  op::Conv c{in, out, kernel};
  c.spatial_dims = dims;
  c.bias = false;
  return c;
}

std::uint64_t fvcore(const Graph& graph) {
  return total(*find_convention("fvcore"), graph)->value();
}

}  // namespace

TEST_CASE("convolutions of one and three dimensions") {
  auto c1 = conv(4, 16, 1, {5});
  c1.stride = {2};
  c1.padding = {2};
  const auto a = result_of({2, 4, 50}, c1);
  CHECK(a.shape == Shape{2, 16, 25});
  CHECK(a.macs == 16000);
  auto c3 = conv(2, 6, 3, {3, 5, 5});
  c3.stride = {1, 2, 2};
  c3.padding = {1, 2, 2};
  const auto b = result_of({2, 2, 6, 16, 16}, c3);
  CHECK(b.shape == Shape{2, 6, 6, 8, 8});
  CHECK(b.macs == 691200);
}

TEST_CASE("transposed convolutions multiply every input position with the whole kernel") {
  auto t1 = conv(16, 4, 1, {4});
  t1.transposed = true;
  t1.stride = {2};
  t1.padding = {1};
  const auto a = result_of({2, 16, 25}, t1);
  CHECK(a.shape == Shape{2, 4, 50});
  CHECK(a.macs == 12800);
  auto up2 = conv(8, 12, 2, {3, 3});
  up2.transposed = true;
  up2.stride = {2, 2};
  up2.padding = {1, 1};
  up2.output_padding = {1, 1};
  up2.groups = 4;
  const auto b = result_of({2, 8, 16, 16}, up2);
  CHECK(b.shape == Shape{2, 12, 32, 32});
  CHECK(b.macs == 110592);
  auto up3 = conv(12, 4, 2, {3, 3});
  up3.transposed = true;
  up3.stride = {3, 3};
  up3.dilation = {2, 2};
  const auto c = result_of({2, 12, 32, 32}, up3);
  CHECK(c.shape == Shape{2, 4, 98, 98});
  CHECK(c.macs == 884736);
}

TEST_CASE("a causal convolution pads the past alone") {
  auto c = conv(6, 6, 1, {4});
  c.groups = 6;
  c.padding = {3};
  c.more_padding = {-3};
  const auto r = result_of({1, 6, 10}, c);
  CHECK(r.shape == Shape{1, 6, 10});
  CHECK(r.macs == 6 * 10 * 4);
}

TEST_CASE("a triangle moves its elements and computes nothing") {
  Builder b("model", {});
  const auto graph = b.finish({b.add(op::Triangle{}, {b.input({2, 3, 4})})});
  CHECK(operations(arithmetic(graph, graph.nodes.back())) == Count(0));
  CHECK(bytes_moved(graph, graph.nodes.back()) == Count(2 * 24 * 4));
  CHECK_THROWS_AS(result_of({5}, op::Triangle{}), Error);
}

TEST_CASE("windows of pools") {
  op::Pool pool{op::PoolKind::max, {3, 3}, {2, 2}, {1, 1}};
  CHECK(result_of({2, 12, 34, 18}, pool).shape == Shape{2, 12, 17, 9});
  op::Pool ceiled{op::PoolKind::avg, {2, 2}, {2, 2}};
  ceiled.ceil_mode = true;
  CHECK(result_of({2, 12, 17, 9}, ceiled).shape == Shape{2, 12, 9, 5});
  // A window that would begin in the padding behind the end does not count.
  op::Pool late{op::PoolKind::max, {2, 2}, {3, 3}, {1, 1}};
  late.ceil_mode = true;
  CHECK(result_of({1, 1, 4, 5}, late).shape == Shape{1, 1, 2, 2});
  CHECK(result_of({2, 12, 8, 4}, op::AdaptivePool{op::PoolKind::avg, {4, 2}}).shape ==
        Shape{2, 12, 4, 2});
}

TEST_CASE("a recurrent layer has a product with its input and one with its state for every gate") {
  op::Recurrent lstm{op::RecurrentKind::lstm, 24, 40, 2};
  lstm.directions_apart = true;
  const auto first = result_of({15, 2, 24}, lstm);
  CHECK(first.shape == Shape{15, 2, 2, 40});
  CHECK(first.macs == 614400);
  lstm.in = 80;
  lstm.directions_apart = false;
  const auto second = result_of({15, 2, 80}, lstm);
  CHECK(second.shape == Shape{15, 2, 80});
  CHECK(second.macs == 1152000);
}

TEST_CASE("what a recurrent layer's backward pass needs of every step") {
  Builder b("model", {.batch = 2, .training = true});
  auto x = b.call("lstm", "LSTM", {b.parameter("x", {15, 2, 24})}, [&] {
    auto y = b.parameter("x", {15, 2, 24});
    for (std::uint64_t layer = 0; layer < 2; ++layer) {
      const auto name = std::to_string(layer);
      op::Recurrent lstm{op::RecurrentKind::lstm, y.dim(-1), 40, 2};
      y = b.add(lstm, {y, b.parameter("weight_ih_l" + name, {2, 160, y.dim(-1)}),
                       b.parameter("weight_hh_l" + name, {2, 160, 40})});
    }
    return y;
  });
  MemoryOptions options;
  options.precision = precision("fp32");
  options.optimizer = optimizer("sgd");
  options.device = eager::Device::cpu;
  options.loss = Loss::none;
  options.composition = false;
  const auto e = estimate_memory(b.finish({x}), options);
  // i, f, g, o, c, tanh c, h of two layers, and the second layer's input; PyTorch's 149,760 hold
  // two copies of the first layer's input, 2 x 2,880, beside them.
  CHECK(e.activations.saved == Count(149760 - 2 * 2880));
}

TEST_CASE("fvcore counts norms, and a batch norm in evaluation by two") {
  const auto count = [](const Shape& x, const Op& op, bool affine, bool running) {
    Builder b("model", {});
    const Shape channels{x[1]};
    Tensors inputs{b.input(x)};
    for (const char* name : {"running_mean", "running_var"})
      if (running) inputs.push_back(b.parameter(name, channels));
    return fvcore(b.finish({b.add(op, inputs, affine ? b.param("weight", channels) : kNone,
                                  affine ? b.param("bias", channels) : kNone)}));
  };
  CHECK(count({2, 16, 25}, op::BatchNorm{}, true, true) == 1600);
  CHECK(count({2, 16, 24, 24}, op::GroupNorm{4}, true, false) == 92160);
  CHECK(count({2, 24, 12, 12}, op::GroupNorm{24, 1e-5, true, true}, true, false) == 34560);
  CHECK(count({2, 8, 12, 12}, op::GroupNorm{8, 1e-5, false, true}, false, false) == 9216);
  CHECK(count({2, 12, 8, 4}, op::AdaptivePool{op::PoolKind::avg, {4, 2}}, false, false) == 768);
  // an interpolation of dyn_axes' [1, 16, 8, 8] to [1, 24, 16, 16]-like maps: one an element
  CHECK(count({1, 24, 8, 8}, op::Resize{op::ResizeKind::nearest, {1, 24, 16, 16}}, false, false) ==
        6144);
}

TEST_CASE("einsum is written out as the products that PyTorch runs") {
  const auto count = [](std::string_view equation, const std::vector<Shape>& shapes,
                        const Shape& result) {
    Builder b("model", {});
    Tensors operands;
    for (const auto& shape : shapes) operands.push_back(b.input(shape));
    const auto y = einsum(equation, operands);
    CHECK(y.shape() == result);
    const auto graph = b.finish({y});
    Count sum;
    for (const auto& node : graph.nodes) sum += macs(graph, node);
    return sum.value();
  };
  CHECK(count("bsd,hde->bhse", {{3, 6, 32}, {4, 32, 8}}, {3, 4, 6, 8}) == 18432);
  CHECK(count("bhqd,bhkd->bhqk", {{3, 4, 6, 8}, {3, 4, 6, 8}}, {3, 4, 6, 6}) == 3456);
  CHECK(count("bhqk,bhkd,hde->bqe", {{3, 4, 6, 6}, {3, 4, 6, 8}, {4, 8, 32}}, {3, 6, 32}) ==
        3456 + 18432);
  CHECK(count("bi,oij,bj->bo", {{3, 32}, {5, 32, 32}, {3, 32}}, {3, 5}) == 15360 + 480);
  CHECK(count("...ij,...jk", {{2, 3, 4, 5}, {3, 5, 6}}, {2, 3, 4, 6}) == 2 * 3 * 4 * 5 * 6);
  CHECK(count("i,j->ij", {{3}, {4}}, {3, 4}) == 0);
  CHECK(count("bij->b", {{2, 3, 4}}, {2}) == 0);
  CHECK_THROWS_AS(count("ii->i", {{3, 3}}, {3}), Error);
  CHECK_THROWS_AS(count("ij,jk->ik", {{3, 4}, {5, 6}}, {3, 6}), Error);
  CHECK_THROWS_AS(count("ij->ik", {{3, 4}}, {3, 6}), Error);
}

namespace {

Tensor image_conv(Builder& b, std::string_view name, Tensor x, std::uint64_t out, op::Conv c,
                  bool bias) {
  return b.call(name, c.transposed ? "ConvTranspose2d" : "Conv2d", {x}, [&] {
    c.in = x.dim(1);
    c.out = out;
    c.bias = bias;
    Shape weight{out, c.in / c.groups, c.kernel[0], c.kernel[1]};
    if (c.transposed) weight = {c.in, out / c.groups, c.kernel[0], c.kernel[1]};
    return b.add(c, {x}, b.param("weight", weight), bias ? b.param("bias", {out}) : kNone);
  });
}

op::Conv same() {
  op::Conv c;
  c.kernel = {3, 3};
  c.padding = {1, 1};
  return c;
}

op::Conv turned(std::uint32_t kernel, std::uint32_t stride) {
  op::Conv c;
  c.kernel = {kernel, kernel};
  c.stride = {stride, stride};
  c.transposed = true;
  return c;
}

// A small U-Net with three transposed convolutions.
Tensor unet(Builder& b) {
  const auto image = b.input({2, 1, 16, 16});
  auto x = image_conv(b, "d1.0", image, 8, same(), true);
  x = b.call("d1.1", "BatchNorm2d", {x}, [&] {
    return b.add(op::BatchNorm{1e-5, true, true}, {x}, b.param("weight", {8}),
                 b.param("bias", {8}));
  });
  const auto skip = b.call("d1.2", "LeakyReLU", {x}, [&] {
    return b.add(op::Unary{op::UnaryKind::leaky_relu, 0.1}, {x});
  });
  x = b.call("pool", "MaxPool2d", {skip}, [&] {
    return b.add(op::Pool{op::PoolKind::max, {2, 2}, {2, 2}}, {skip});
  });
  x = image_conv(b, "d2.0", x, 16, same(), true);
  x = b.call("d2.1", "ELU", {x}, [&] { return b.add(op::Unary{op::UnaryKind::elu, 1}, {x}); });
  x = image_conv(b, "up", x, 8, turned(2, 2), true);
  x = image_conv(b, "u1", b.concat({x, skip}, 1), 8, same(), true);
  auto up2 = turned(3, 2);
  up2.padding = {1, 1};
  up2.output_padding = {1, 1};
  up2.groups = 4;
  x = image_conv(b, "up2", x, 12, up2, false);
  auto up3 = turned(3, 3);
  up3.dilation = {2, 2};
  x = image_conv(b, "up3", x, 4, up3, true);
  op::Conv one;
  one.kernel = {1, 1};
  x = image_conv(b, "out", x, 2, one, true);
  return b.activation(x, op::UnaryKind::sigmoid);
}

}  // namespace

TEST_CASE("a U-Net: parameters, counts and every saved byte") {
  Builder b("unet", {.batch = 2, .training = true});
  const auto graph = b.finish({unet(b)});
  CHECK(parameters(graph).sum() == Count(3606));
  CHECK(macs_by_module(graph).sum() == Count(1988672));
  MemoryOptions options;
  options.precision = precision("fp32");
  options.optimizer = optimizer("sgd");
  options.device = eager::Device::cpu;
  options.loss = Loss::none;
  options.composition = false;
  const auto saved = estimate_memory(graph, options).activations;
  CHECK(saved.saved == Count(688384));
  std::map<std::string, std::uint64_t> by_type;
  for (const auto& [type, bytes] : saved.by_type)
    if (bytes > Count(0)) by_type[type] = bytes.value();
  CHECK(by_type["Conv2d"] == 346240);
  CHECK(by_type["ConvTranspose2d"] == 122880);
  CHECK(by_type["MaxPool2d"] == 24576);
  CHECK(by_type["BatchNorm2d"] == 16448);
  CHECK(by_type["LeakyReLU"] == 16384);
  CHECK(by_type["ELU"] == 8192);
}

TEST_CASE("the gradients of a transposed convolution are as many products as it has") {
  Builder b("model", {.training = true});
  const auto x = b.parameter("x", {2, 16, 25});
  auto c = conv(16, 4, 1, {4});
  c.transposed = true;
  c.stride = {2};
  c.padding = {1};
  const auto y = b.add(c, {x}, b.param("weight", {16, 4, 4}));
  const auto flops = training_flops(b.finish({y}), ActivationCheckpointing::none);
  CHECK(flops.forward == Count(2 * 12800));
  CHECK(flops.grad_input == flops.forward);
  CHECK(flops.grad_weight == flops.forward);
}

TEST_CASE("an unknown operator is named and makes totals lower bounds; a known one does not") {
  Builder b("model", {});
  const auto x = b.input({2, 3});
  auto y = b.add(op::Opaque{"Mystery", {2, 3}, DType::f32, 0, false}, {x});
  y = b.add(op::Opaque{"Mystery", {2, 5}, DType::f32, 0, false}, {y});
  y = b.add(op::Opaque{"NonMaxSuppression", {7}, DType::i64, 40, true}, {y});
  const auto graph = b.finish({y});
  const auto unknown = unknown_ops(graph);
  REQUIRE(unknown.size() == 1);
  CHECK(unknown.at("Mystery") == 2);
  CHECK(macs_by_module(graph).sum() == Count(40));
  CHECK(lower_bound_note(graph).find("Mystery (2 nodes)") != std::string::npos);
  const auto totals = op_totals(graph, true);
  REQUIRE(totals.size() == 2);
  CHECK(totals[0].name == "NonMaxSuppression");
  CHECK(totals[1].unknown == 2);
}

TEST_CASE("linear recurrences count the products that touch their state") {
  Builder b("model", {});
  const auto x = b.input({2, 7, 8});
  const auto y = b.add(op::LinearRecurrence{op::RecurrenceKind::selective_scan},
                       {x, x, b.input({8, 16}), b.input({2, 7, 16}), b.input({2, 7, 16})});
  const auto graph = b.finish({y});
  CHECK(macs(graph, graph.nodes.back()) == Count(3 * 2 * 7 * 8 * 16));
  CHECK(graph.nodes.back().shape == Shape{2, 7, 8});
}
