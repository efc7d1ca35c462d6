#include "runtime/program/step_kernels.h"

#include "cost/macs.h"
#include "runtime/program/lower.h"

#include <algorithm>

namespace vitals {
namespace {

using latency::Kernel;
using latency::KernelKind;

double elements(const Shape& shape) { return numel(shape).as_double(); }

void set_product(Kernel& kernel, double count, double m, double n, double k) {
  kernel.kind = KernelKind::product;
  kernel.count = count;
  kernel.m = m;
  kernel.n = n;
  kernel.k = k;
  kernel.flops = 2 * count * m * n * k;
}

// What a step computes; bytes apart.
class Sizes {
 public:
  Sizes(const Graph& graph, const Step& step, Kernel& kernel)
      : graph_(graph), step_(step), kernel_(kernel) {}

  void operator()(const step::Linear& s) {
    const auto out = static_cast<double>(s.out);
    set_product(kernel_, 1, elements(step_.out.shape) / out, out, static_cast<double>(s.in));
  }
  void operator()(const step::Attention& s) {
    const auto& q = step_.in[0].shape;
    const auto& v = step_.in[2].shape;
    const auto size = [](const Shape& shape, std::size_t axis) {
      return static_cast<double>(shape[axis]);
    };
    kernel_.kind = KernelKind::attention;
    kernel_.count = size(q, 0) * size(q, 1);
    kernel_.m = size(q, 2);
    kernel_.n = size(v, 2);
    kernel_.k = 0.5 * (size(q, 3) + size(v, 3));
    kernel_.flops = 2 * macs(graph_, graph_.nodes[step_.node]).as_double();
    kernel_.biased = step_.in.size() > 3;
    kernel_.causal = s.causal;
  }
  void operator()(const step::MatMul&) {
    const auto& out = step_.out.shape;
    const auto m = static_cast<double>(out.at(-2));
    const auto n = static_cast<double>(out.at(-1));
    set_product(kernel_, elements(out) / (m * n), m, n,
                static_cast<double>(step_.in[0].shape.at(-1)));
    count_macs();
  }
  void operator()(const step::Reference&) { set_plain(); }
  void operator()(const step::Depthwise&) { set_plain(); }
  void operator()(const step::Norm&) { kernel_.kind = KernelKind::norm; }
  void operator()(const step::Softmax&) { kernel_.kind = KernelKind::norm; }
  template <class Other>
  void operator()(const Other&) {}  // bytes alone

 private:
  // Products that are no matrix's.
  void set_plain() {
    const double macs = vitals::macs(graph_, graph_.nodes[step_.node]).as_double();
    if (macs == 0) return;
    const auto& out = step_.out.shape;
    const auto n = static_cast<double>(out.at(-1));
    set_product(kernel_, 1, elements(out) / n, n, macs / elements(out));
    count_macs();
  }
  // As the trace counts: an operand that broadcasting repeats once.
  void count_macs() { kernel_.flops = 2 * macs(graph_, graph_.nodes[step_.node]).as_double(); }

  const Graph& graph_;
  const Step& step_;
  Kernel& kernel_;
};

}  // namespace

std::vector<Kernel> step_kernels(const Graph& graph, const Program& program, Element precision) {
  std::vector<Kernel> kernels;
  kernels.reserve(program.steps.size());
  for (const auto& step : program.steps) {
    const auto& node = graph.nodes[step.node];
    Kernel kernel;
    kernel.name = name_of(node.op);
    kernel.module = graph.calls[node.call].module;
    kernel.bytes = bytes_of(graph, program, step, precision).as_double();
    std::visit(Sizes(graph, step, kernel), step.kind);
    if (kernel.kind == KernelKind::product)
      kernel.weight_bytes = weight_bytes_of(graph, step, precision).as_double();
    kernels.push_back(kernel);
  }
  return kernels;
}

std::vector<Kernel> step_kernels(const Graph& graph, Element precision) {
  return step_kernels(graph, lower(graph, {precision, {}}), precision);
}

}  // namespace vitals
