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

// Those of every op of the variant, in its order.
[[nodiscard]] const std::vector<std::vector<Example>>& all_examples();

// Calls visit(name, graph, node) with every example of every op.
template <class F>
void for_each_example(F&& visit) {
  for (std::size_t op = 0; op < all_examples().size(); ++op) {
    for (const auto& example : all_examples()[op]) {
      Builder builder("example", {.batch = 2, .training = true});
      example.build(builder);
      const Graph graph = builder.finish({});
      if (graph.nodes.back().op.index() != op)
        throw std::logic_error(example.name + ": ends in another op");
      visit(example.name, graph, graph.nodes.back());
    }
  }
}

}  // namespace vitals::test
