#include "latency/predict.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace vitals::latency {
namespace {

// Seconds of the host for every kernel: Python, dispatcher and driver together. An op of eager
// PyTorch takes some ten microseconds, a compiled graph's kernel half of that. It is seen only at
// small batches; the published measurements that the rest is fitted on do not tell it.
double host_seconds(const Setup& setup) {
  if (setup.machine.kind == MachineKind::cpu) return 0;  // the launch is the host's own
  return setup.execution.compiled ? 5e-6 : 10e-6;
}

// A training step asks for the forward pass' kernels and for about twice as many backwards.
double host_passes(const Setup& setup) { return setup.execution.training ? 3 : 1; }

double host(const std::vector<Kernel>& kernels, const Setup& setup) {
  return static_cast<double>(kernels.size()) * host_seconds(setup) * host_passes(setup);
}

// The cost of every kernel, and how the neighbours have the sum adjusted: all by the same factor,
// for only sums were measured.
void set_costs(Prediction& p, const Setup& setup, std::uint64_t batch) {
  Profiler profiler;
  for (const auto& kernel : p.kernels) {
    p.costs.push_back(
        cost(kernel, setup.machine, setup.peak, setup.factors, setup.execution.training));
    profiler.add(kernel, p.costs.back().seconds);
  }
  p.adjustment = adjustment(profiler.profile(batch), setup.neighbours);
  double sum = 0;
  double least = 0;
  for (std::size_t i = 0; i < p.costs.size(); ++i) {
    p.costs[i].seconds *= std::exp(-p.adjustment.log_error);
    sum += p.costs[i].seconds;
    least += least_seconds(p.kernels[i], setup.peak, setup.execution.training);
  }
  // A kernel may run at a clock above the data sheet's for a while; a step never exceeds its peak.
  if (sum > 0 && least > sum)
    for (auto& cost : p.costs) cost.seconds *= least / sum;
}

}  // namespace

Prediction predict(const Graph& graph, const Setup& setup) {
  return predict(graph, kernels(graph, setup.execution), setup);
}

std::string unpredictable(const Graph& graph) {
  for (const auto& node : graph.nodes) {
    const auto* conv = std::get_if<op::Conv>(&node.op);
    if (conv == nullptr || conv->groups < 2 || conv->groups != conv->in) continue;
    return fmt::format(
        "{}: the time of the op '{}' in {} groups cannot be predicted: no model with depthwise "
        "convolutions has been measured",
        graph.module_of(node).path, name_of(node.op), conv->groups);
  }
  return "";
}

Prediction predict(const Graph& graph, std::vector<Kernel> kernels, const Setup& setup) {
  if (const auto why = unpredictable(graph); !why.empty()) fail("{}: {}", graph.model, why);
  Prediction p;
  p.kernels = std::move(kernels);
  set_costs(p, setup, graph.batch);
  std::vector<Count> own(graph.modules.size());
  for (std::size_t i = 0; i < p.kernels.size(); ++i) {
    const auto& kernel = p.kernels[i];
    const auto& cost = p.costs[i];
    p.busy += cost.seconds;
    p.flops += kernel.flops * product_passes(setup.execution.training);
    if (cost.bound == Bound::compute) p.compute += cost.seconds;
    own[kernel.module] += Count::rounded(cost.seconds * 1e12);
  }
  p.host = host(p.kernels, setup);
  p.picoseconds = roll_up_modules(graph, std::move(own));
  return p;
}

}  // namespace vitals::latency
