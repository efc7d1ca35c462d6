// The proof of the counts: the reference kernel of every op runs with a number that counts its own
// arithmetic, and must agree with the op's formulas.
#include "cost/macs.h"
#include "cost/sizes.h"
#include "frontends/spec/spec.h"
#include "graph/op_traits.h"
#include "runtime/reference.h"
#include "support/counted.h"
#include "support/examples.h"
#include "support/json.h"

#include <doctest/doctest.h>

#include <deque>

using namespace vitals;
using test::Counted;

namespace {

std::uint64_t extent_of(const Shape& shape, const Strides& strides) {
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < shape.rank(); ++i) last += (shape[i] - 1) * strides[i];
  return last + 1;
}

// Tensors with numbers of both signs, kept alive together.
class Memory {
 public:
  Strided<Counted> tensor(const Shape& shape, const Strides& strides) {
    auto& data = buffers_.emplace_back();
    for (std::uint64_t i = 0; i < extent_of(shape, strides); ++i) {
      seed_ = seed_ * 6364136223846793005U + 1442695040888963407U;
      data.emplace_back(static_cast<double>(seed_ >> 40U) / (1 << 23) - 1);
    }
    return {data.data(), shape, strides};
  }
  Strided<const Counted> constant(const Shape& shape, const Strides& strides) {
    const auto t = tensor(shape, strides);
    return {t.data, t.shape, t.strides};
  }
  Strided<const Counted> constant(const Shape& shape) {
    return constant(shape, contiguous_strides(shape));
  }

 private:
  std::deque<std::vector<Counted>> buffers_;
  std::uint64_t seed_ = 1;
};

struct Uniform {
  std::uint64_t draws = 0;
  double operator()() { return static_cast<double>(draws++ % 4) / 4; }
};

test::Tally tally_of(const Graph& graph, const Node& node) {
  Memory memory;
  std::vector<Strided<const Counted>> inputs;
  for (auto id : node.inputs)
    inputs.push_back(memory.constant(graph.nodes[id].shape, graph.nodes[id].strides));
  const std::vector<std::int64_t> index(elements_of(node.shape), 0);
  Operands<Counted> operands{inputs, {}, {}, index.data(), nullptr, Uniform{}};
  if (node.params[0] != kNone)
    operands.weight = memory.constant(graph.params[node.params[0]].shape);
  if (node.params[1] != kNone) operands.bias = memory.constant(graph.params[node.params[1]].shape);
  const auto output = memory.tensor(node.shape, node.strides);
  Counted::tally() = {};
  run_reference(node, operands, output);
  return Counted::tally();
}

}  // namespace

TEST_CASE("every op's formulas count what its reference kernel computes") {
  std::size_t count = 0;
  std::size_t proved = 0;
  test::for_each_example([&](const std::string& name, const Graph& graph, const Node& node) {
    CAPTURE(name);
    ++count;
    if (!traits(node.op).reference) return;
    ++proved;
    const auto tally = tally_of(graph, node);
    const auto formulas = arithmetic(graph, node);
    for (std::size_t i = 0; i < kArithmeticKinds.size(); ++i) {
      CAPTURE(kArithmeticKinds[i].name);
      CHECK((formulas.*kArithmeticKinds[i].member).value() == tally.*test::kTallies[i]);
    }
  });
  CHECK(count > std::variant_size_v<Op>);
  CHECK(proved > 250);
}

// Where an op is a matrix product its multiply-accumulates are its multiplications; attention also
// multiplies the scores with the scale, and with the dropout's mask. What broadcasting repeats of a
// matmul's first operand is multiplied each time and counts once, as in fvcore.
TEST_CASE("MACs are the multiplications of matrix products") {
  test::for_each_example([&](const std::string& name, const Graph& graph, const Node& node) {
    CAPTURE(name);
    if (!traits(node.op).reference) return;
    const auto multiplications = Count(tally_of(graph, node).multiplications);
    const auto* sdpa = std::get_if<op::Sdpa>(&node.op);
    if (macs_formula(graph, node).empty()) {
      CHECK(macs(graph, node) == Count(0));
    } else if (std::holds_alternative<op::MatMul>(node.op)) {
      const auto repeats = batch_of(node.shape) / batch_of(input_shape(graph, node, 0));
      CHECK(macs(graph, node) * repeats == multiplications);
    } else if (sdpa == nullptr) {
      CHECK(macs(graph, node) == multiplications);
    } else {
      const auto z = attention_sizes(graph, node);
      const auto scores = Count(z.batch) * z.queries * z.keys;
      CHECK(macs(graph, node) + scores * (sdpa->dropout > 0 ? 2 : 1) == multiplications);
    }
  });
}

TEST_CASE("the written-out attention and the fused op compute the same") {
  const nlohmann::json spec = {{"architecture", "vit"}, {"img_size", 32}, {"depth", 2},
                               {"embed_dim", 24},       {"num_heads", 3}, {"attn_drop_rate", 0.1}};
  for (const bool training : {false, true}) {
    CAPTURE(training);
    auto totals = [&](AttentionKernel kernel) {
      const auto graph = model_from_spec(spec, "test", "test")
                             .build({.batch = 2, .training = training, .attention = kernel});
      std::vector<Count> sums(kArithmeticKinds.size());
      for (const auto& node : graph.nodes)
        for (std::size_t i = 0; i < sums.size(); ++i)
          sums[i] += (arithmetic(graph, node).*kArithmeticKinds[i].member).value();
      return sums;
    };
    CHECK(totals(AttentionKernel::eager) == totals(AttentionKernel::fused));
  }
}
