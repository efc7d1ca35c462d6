// Every op of a trace by the executor, on every instruction set and backend, against the reference
// kernel in fp64; the memory is NaN before each run.
#include "core/error.h"
#include "graph/op_traits.h"
#include "runtime/kernel_case.h"
#include "runtime/reference_run.h"
#include "support/examples.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace vitals;

namespace {

// What vitals counts and does not run: training, mixtures of experts, other than floating-point
// numbers. Views are run by whoever reads them.
bool is_run(const Node& node) {
  const auto* sdpa = std::get_if<op::Sdpa>(&node.op);
  const auto* constant = std::get_if<op::Constant>(&node.op);
  const auto* gather = std::get_if<op::Gather>(&node.op);
  const bool dropped = sdpa != nullptr && sdpa->dropout > 0;
  const bool unknown =
      (constant != nullptr && !constant->fill) || (gather != nullptr && !gather->rows);
  const bool view =
      std::holds_alternative<op::Reshape>(node.op) || std::holds_alternative<op::Expand>(node.op) ||
      std::holds_alternative<op::Permute>(node.op) || std::holds_alternative<op::Slice>(node.op);
  const bool leaf = is_leaf(node.op);
  const bool runs = view || leaf || traits(node.op).runs != Runs::never;
  return runs && is_floating(node.dtype) && !dropped && !unknown;
}

double greatest(const std::vector<double>& values) {
  double top = 0;
  for (double v : values) top = std::max(top, std::abs(v));
  return top;
}

// The largest difference, or infinity where only one is a number.
double distance(const std::vector<float>& got, const std::vector<double>& want) {
  double most = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto v = static_cast<double>(got[i]);
    if (std::isnan(v) != std::isnan(want[i])) return INFINITY;
    if (!std::isnan(v)) most = std::max(most, std::abs(v - want[i]));
  }
  return most;
}

void check_op(Engine& engine, Graph graph, Element precision) {
  graph.outputs = {static_cast<NodeId>(graph.nodes.size() - 1)};
  const auto params = test::noisy_params(graph);
  ExecutorOptions options;
  options.precision = precision;
  Executor executor(graph, engine, params, options);
  const auto inputs = test::fill_inputs(executor);
  const test::ReferenceRun reference(graph, params, inputs);
  const auto& want = reference.value(graph.outputs[0]);
  for (int run = 0; run < 2; ++run) {
    executor.poison();
    executor.run();
    const auto got = executor.value(graph.outputs[0]);
    REQUIRE(got.size() == want.size());
    const double unit = precision == Element::kF32 ? 2e-6 : 2e-2;
    CHECK(distance(got, want) <= unit * (1 + greatest(want)));
  }
}

}  // namespace

TEST_CASE("every op on every engine computes what its reference kernel does") {
  for (const auto precision : {Element::kF32, Element::kBf16}) {
    CAPTURE(precision_name(precision));
    for_each_engine(precision, [&](Engine& engine) {
      CAPTURE(engine.description());
      test::for_each_example([&](const std::string& name, const Graph& graph, const Node& node) {
        CAPTURE(name);
        if (is_run(node)) check_op(engine, graph, precision);
      });
    });
  }
}

TEST_CASE("thirty random depthwise convolutions on every engine") {
  for_each_engine([](Engine& engine) {
    Random random(5);
    const auto side = [&](std::int64_t low, std::int64_t high) {
      return static_cast<std::uint32_t>(random.integer(low, high));
    };
    for (int i = 0; i < 30; ++i) {
      const std::uint64_t channels = side(1, 40);
      const op::Conv::Extent kernel{side(1, 7), side(1, 7)};
      const op::Conv conv{channels,
                          channels,
                          kernel,
                          {side(1, 3), side(1, 3)},
                          {side(0, kernel[0] / 2), side(0, kernel[1] / 2)},
                          channels,
                          random.coin(),
                          2};
      Builder b("model", {});
      const auto x = b.input({side(1, 2), channels, side(7, 12), side(7, 24)});
      const auto y = b.add(conv, {x}, b.param("weight", {channels, 1, kernel[0], kernel[1]}),
                           conv.bias ? b.param("bias", {channels}) : kNone);
      const auto graph = b.finish({y});
      CAPTURE(engine.description());
      CAPTURE(i);
      const auto program = lower(graph, {});
      CHECK(std::any_of(program.steps.begin(), program.steps.end(), [](const Step& s) {
        return std::holds_alternative<step::Depthwise>(s.kind);
      }));
      check_op(engine, graph, Element::kF32);
      check_op(engine, graph, Element::kBf16);  // no dense layer, so that no backend lacks it
    }
  });
}

TEST_CASE("an op that no kernel runs is named, with its module") {
  Builder b("model", {});
  const auto x = b.input({2, 4});
  const auto y = b.call("layer", "Layer", {x}, [&] { return b.add(op::TopK{2}, {x}); });
  const auto graph = b.finish({y});
  CHECK_THROWS_WITH_AS((void)lower(graph, {}),
                       doctest::Contains("layer: vitals has no kernel for "
                                         "the op 'topk'"),
                       Error);
}

TEST_CASE("a constant whose values nobody stated is named, with its module") {
  Builder b("model", {});
  const auto x = b.input({2, 4});
  const auto y = b.call("layer", "Layer", {x}, [&] { return x + b.constant({4}); });
  const auto graph = b.finish({y});
  Engine engine({});
  CHECK_THROWS_WITH_AS(Executor(graph, engine, random_params(graph, 0), {}),
                       doctest::Contains("layer: vitals can count this model but not run it"),
                       Error);
}

TEST_CASE("rows that nobody named are not gathered; the module is said") {
  Builder b("model", {});
  const auto x = b.input({4, 4});
  const auto y = b.call("layer", "Layer", {x}, [&] { return b.add(op::Gather{2}, {x}); });
  const auto graph = b.finish({y});
  Engine engine({});
  CHECK_THROWS_WITH_AS(Executor(graph, engine, random_params(graph, 0), {}),
                       doctest::Contains("layer: vitals can count this model but not run it"),
                       Error);
}
