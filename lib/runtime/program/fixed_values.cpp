#include "runtime/program/fixed_values.h"

#include "runtime/program/reference_call.h"

#include <array>
#include <utility>

namespace vitals {
namespace {

class Evaluator {
 public:
  Evaluator(const Graph& graph, const Program& program, const ParamSource& params)
      : graph_(graph), program_(program), params_(params), values_(program.buffers.size()) {}

  std::vector<std::vector<float>> run() {
    std::vector<bool> wanted(program_.buffers.size());
    const auto want = [&](const View& view) {
      if (view.buffer != kNone) wanted[view.buffer] = true;
    };
    for (const auto& step : program_.steps) {
      for (const auto& view : step.in) want(view);
      if (const auto* linear = std::get_if<step::Linear>(&step.kind)) want(linear->fixed_bias);
    }
    for (BufferId b = 0; b < wanted.size(); ++b)
      if (program_.buffers[b].pinned) wanted[b] = true;
    auto needed = wanted;
    // Buffers stand in the order of their ops, so one walk from the back finds all that is needed.
    for (auto b = static_cast<BufferId>(needed.size()); b-- > 0;) {
      if (!needed[b] || program_.buffers[b].in_arena()) continue;
      for (auto input : graph_.nodes[program_.buffers[b].fixed].inputs)
        needed[program_.value[input].buffer] = true;
    }
    for (BufferId b = 0; b < needed.size(); ++b)
      if (needed[b] && !program_.buffers[b].in_arena()) evaluate(b);
    for (BufferId b = 0; b < needed.size(); ++b)
      if (!wanted[b]) values_[b].clear();
    return std::move(values_);
  }

 private:
  std::vector<float> parameter(ParamId id) const {
    std::vector<float> values(numel(graph_.params[id]).value());
    params_(id, values);
    return values;
  }

  void evaluate(BufferId b) {
    const auto& node = graph_.nodes[program_.buffers[b].fixed];
    if (std::holds_alternative<op::Parameter>(node.op)) {
      values_[b] = parameter(node.params[0]);
      return;
    }
    values_[b].resize(program_.buffers[b].elements);
    if (const auto* constant = std::get_if<op::Constant>(&node.op))
      return fill(node, *constant, values_[b]);
    std::vector<Strided<const float>> inputs;
    for (auto input : node.inputs) {
      const auto& view = program_.value[input];
      inputs.push_back({values_[view.buffer].data() + view.offset, view.shape, view.strides});
    }
    std::array<std::vector<float>, 2> params;
    for (std::size_t i = 0; i < params.size(); ++i)
      if (node.params[i] != kNone) params[i] = parameter(node.params[i]);
    ReferenceCall(graph_, node, std::move(inputs), {params[0].data(), params[1].data()},
                  {values_[b].data(), node.shape, contiguous_strides(node.shape)})();
  }

  void fill(const Node& node, const op::Constant& constant, std::vector<float>& values) const {
    if (!constant.fill || node.dtype != DType::f32) values_unknown(graph_, node);
    constant.fill(values);
  }

  const Graph& graph_;
  const Program& program_;
  const ParamSource& params_;
  std::vector<std::vector<float>> values_;
};

}  // namespace

std::vector<std::vector<float>> fixed_values(const Graph& graph, const Program& program,
                                             const ParamSource& params) {
  return Evaluator(graph, program, params).run();
}

}  // namespace vitals
