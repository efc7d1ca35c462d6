// Tiny traces that end in one op each, several shapes an op: what the tests of counting, traffic
// and kernels run. A new op without examples does not compile.
#pragma once

#include "graph/builder.h"

#include <functional>
#include <string>
#include <vector>

namespace vitals::test {

struct Example {
  std::string name;
  std::function<void(Builder&)> build;  // the last node that it adds is the op
};

template <class O>
std::vector<Example> examples() = delete;

#define VITALS_EXAMPLES(op_type) \
  template <>                    \
  std::vector<Example> examples<op_type>()
VITALS_EXAMPLES(op::Input);
VITALS_EXAMPLES(op::Parameter);
VITALS_EXAMPLES(op::Constant);
VITALS_EXAMPLES(op::Linear);
VITALS_EXAMPLES(op::ExpertLinear);
VITALS_EXAMPLES(op::Conv);
VITALS_EXAMPLES(op::MatMul);
VITALS_EXAMPLES(op::Sdpa);
VITALS_EXAMPLES(op::Binary);
VITALS_EXAMPLES(op::Scale);
VITALS_EXAMPLES(op::Activation);
VITALS_EXAMPLES(op::Softmax);
VITALS_EXAMPLES(op::TopK);
VITALS_EXAMPLES(op::MaskedFill);
VITALS_EXAMPLES(op::LayerNorm);
VITALS_EXAMPLES(op::RmsNorm);
VITALS_EXAMPLES(op::GlobalResponseNorm);
VITALS_EXAMPLES(op::Dropout);
VITALS_EXAMPLES(op::DropPath);
VITALS_EXAMPLES(op::Concat);
VITALS_EXAMPLES(op::Reshape);
VITALS_EXAMPLES(op::Expand);
VITALS_EXAMPLES(op::Permute);
VITALS_EXAMPLES(op::Slice);
VITALS_EXAMPLES(op::Copy);
VITALS_EXAMPLES(op::Roll);
VITALS_EXAMPLES(op::Reduce);
VITALS_EXAMPLES(op::Embedding);
VITALS_EXAMPLES(op::Gather);
VITALS_EXAMPLES(op::Rope);
#undef VITALS_EXAMPLES

// Calls visit(name, graph, node) with every example of every op of the variant.
template <class F, std::size_t... I>
void for_each_example(F&& visit, std::index_sequence<I...>) {
  auto one = [&]<class O>(const O*) {
    const auto all = examples<O>();
    if (all.empty()) throw std::logic_error("an op without an example");
    for (const auto& example : all) {
      Builder builder("example", {.batch = 2, .training = true});
      example.build(builder);
      const Graph graph = builder.finish({});
      if (!std::holds_alternative<O>(graph.nodes.back().op))
        throw std::logic_error(example.name + ": ends in another op");
      visit(example.name, graph, graph.nodes.back());
    }
  };
  (one(static_cast<const std::variant_alternative_t<I, Op>*>(nullptr)), ...);
}

template <class F>
void for_each_example(F&& visit) {
  for_each_example(std::forward<F>(visit), std::make_index_sequence<std::variant_size_v<Op>>{});
}

}  // namespace vitals::test
