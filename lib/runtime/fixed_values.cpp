#include "runtime/fixed_values.h"

#include "runtime/reference.h"

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
    Operands<float> operands;
    operands.inputs = inputs;
    const auto weight = node.params[0] == kNone ? std::vector<float>{} : parameter(node.params[0]);
    const auto bias = node.params[1] == kNone ? std::vector<float>{} : parameter(node.params[1]);
    const auto as_vector = [](const std::vector<float>& v) {
      return Strided<const float>{v.data(), {v.size()}, {1}};
    };
    if (!weight.empty()) operands.weight = as_vector(weight);
    if (!bias.empty()) operands.bias = as_vector(bias);
    std::vector<std::int64_t> rows;
    if (const auto* gather = std::get_if<op::Gather>(&node.op)) {
      if (!gather->rows) unknown(node);
      rows.resize(gather->count);
      gather->rows(rows);
      operands.index = rows.data();
    }
    run_reference<float>(node, operands,
                         {values_[b].data(), node.shape, contiguous_strides(node.shape)});
  }

  void fill(const Node& node, const op::Constant& constant, std::vector<float>& values) const {
    if (!constant.fill || node.dtype != DType::f32) unknown(node);
    constant.fill(values);
  }

  [[noreturn]] void unknown(const Node& node) const {
    const auto& path = graph_.module_of(node).path;
    fail("{}: vitals can count this model but not run it: it does not know the values of a {} {}",
         path.empty() ? graph_.model : path, name_of(node.op), to_string(node.shape));
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
