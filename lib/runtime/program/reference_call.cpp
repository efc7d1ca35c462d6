#include "runtime/program/reference_call.h"

#include "core/error.h"
#include "runtime/reference.h"

#include <utility>

namespace vitals {

void values_unknown(const Graph& graph, const Node& node) {
  const auto& path = graph.module_of(node).path;
  fail("{}: vitals can count this model but not run it: it does not know the values of a {} {}",
       path.empty() ? graph.model : path, name_of(node.op), to_string(node.shape));
}

ReferenceCall::ReferenceCall(const Graph& graph, const Node& node,
                             std::vector<Strided<const float>> inputs,
                             std::array<const float*, 2> params, Strided<float> out)
    : node_(&node), inputs_(std::move(inputs)), out_(std::move(out)) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (node.params[i] == kNone) continue;
    const auto& shape = graph.params[node.params[i]].shape;
    params_[i] = {params[i], shape, contiguous_strides(shape)};
  }
  if (const auto* gather = std::get_if<op::Gather>(&node.op)) {
    if (!gather->rows) values_unknown(graph, node);
    rows_.resize(gather->count);
    gather->rows(rows_);
  }
}

void ReferenceCall::operator()() const {
  Operands<float> operands;
  operands.inputs = inputs_;
  operands.weight = params_[0];
  operands.bias = params_[1];
  operands.index = rows_.data();
  run_reference<float>(*node_, operands, out_);
}

}  // namespace vitals
