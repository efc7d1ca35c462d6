// A whole trace by the reference kernels in fp64, one op after another without fusion, layouts or
// an arena: what the executor is compared with.
#pragma once

#include "runtime/executor.h"
#include "runtime/reference.h"

#include <map>
#include <vector>

namespace vitals::test {

class ReferenceRun {
 public:
  // Inputs by position, in row-major order; whole numbers for integer inputs.
  ReferenceRun(const Graph& graph, const ParamSource& params,
               const std::vector<std::vector<double>>& inputs)
      : graph_(graph), params_(params), values_(graph.nodes.size()) {
    std::size_t next = 0;
    for (NodeId id = 0; id < graph.nodes.size(); ++id) {
      const auto& node = graph.nodes[id];
      if (std::holds_alternative<op::Input>(node.op))
        values_[id] = inputs.at(next++);
      else
        compute(id);
    }
  }

  [[nodiscard]] const std::vector<double>& value(NodeId id) const { return values_[id]; }

 private:
  std::vector<double> parameter(ParamId id) const {
    std::vector<float> values(numel(graph_.params[id]).value());
    params_(id, values);
    return {values.begin(), values.end()};
  }

  static Strided<const double> dense(const std::vector<double>& values, const Shape& shape) {
    return {values.data(), shape, contiguous_strides(shape)};
  }

  void compute(NodeId id) {
    const auto& node = graph_.nodes[id];
    auto& out = values_[id];
    if (std::holds_alternative<op::Parameter>(node.op)) {
      out = parameter(node.params[0]);
      return;
    }
    out.assign(numel(node.shape).value(), 0.0);
    if (const auto* constant = std::get_if<op::Constant>(&node.op)) {
      std::vector<float> values(out.size());
      constant->fill(values);
      out.assign(values.begin(), values.end());
      return;
    }
    std::vector<Strided<const double>> inputs;
    for (auto i : node.inputs) inputs.push_back(dense(values_[i], graph_.nodes[i].shape));
    Operands<double> operands;
    operands.inputs = inputs;
    std::vector<double> weight;
    std::vector<double> bias;
    if (node.params[0] != kNone) {
      weight = parameter(node.params[0]);
      operands.weight = dense(weight, graph_.params[node.params[0]].shape);
    }
    if (node.params[1] != kNone) {
      bias = parameter(node.params[1]);
      operands.bias = dense(bias, graph_.params[node.params[1]].shape);
    }
    std::vector<std::int64_t> index;
    if (const auto* gather = std::get_if<op::Gather>(&node.op)) {
      index.resize(gather->count);
      gather->rows(index);
    } else if (std::holds_alternative<op::Embedding>(node.op)) {
      for (double v : values_[node.inputs[0]]) index.push_back(static_cast<std::int64_t>(v));
    }
    operands.index = index.data();
    run_reference<double>(node, operands, {out.data(), node.shape, contiguous_strides(node.shape)});
  }

  const Graph& graph_;
  const ParamSource& params_;
  std::vector<std::vector<double>> values_;
};

// Fills the executor's inputs with seeded noise, whole numbers below `ids` where they are such, and
// says what they are.
inline std::vector<std::vector<double>> fill_inputs(const Executor& executor,
                                                    std::int64_t ids = 2) {
  const auto& graph = executor.graph();
  std::vector<std::vector<double>> inputs;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    if (graph.nodes[graph.inputs[i]].dtype == DType::i64) {
      const auto values = executor.token_ids(i);
      for (std::size_t j = 0; j < values.size(); ++j)
        values[j] = static_cast<std::int64_t>(j) % ids;
      inputs.emplace_back(values.begin(), values.end());
    } else {
      const auto values = executor.input(i);
      fill_noise(values, i + 1);
      inputs.emplace_back(values.begin(), values.end());
    }
  }
  return inputs;
}

// Parameters far from what initialisation gives: every one matters, no two are alike.
inline ParamSource noisy_params(const Graph& graph, float scale = 0.5F) {
  return [&graph, scale](ParamId id, std::span<float> values) {
    fill_noise(values, 1000 + id);
    const bool vector = graph.params[id].shape.rank() < 2;
    for (auto& v : values) v = vector ? 1 + scale * v : scale * v;
  };
}

}  // namespace vitals::test
