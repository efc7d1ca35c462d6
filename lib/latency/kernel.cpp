#include "latency/kernel.h"

#include "cost/rollup.h"
#include "latency/layout.h"

namespace vitals::latency {
namespace {

// Bytes of a step of SGD with momentum, of each parameter: the float32 gradient, momentum and
// weight read, momentum and weight written; under autocast besides the gradient that arrives in
// the low type, its float32 copy, and the loss scaler's look at it.
constexpr double kUpdateBytes = 20;
constexpr double kAutocastUpdateBytes = 34;

Kernel update(const Layout& layout) {
  Kernel kernel;
  kernel.name = "optimizer";
  kernel.optimizer = true;
  const auto trained = trainable_parameters(layout.graph()).as_double();
  kernel.bytes =
      trained * (layout.casts() ? kAutocastUpdateBytes : kUpdateBytes * layout.param_size() / 4);
  return kernel;
}

}  // namespace

std::vector<Kernel> kernels(const Graph& graph, const Execution& execution) {
  const Layout layout(graph, execution);
  auto result = execution.compiled ? compiled_kernels(layout) : eager_kernels(layout);
  if (execution.training) result.push_back(update(layout));
  return result;
}

}  // namespace vitals::latency
