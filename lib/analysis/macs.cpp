#include "analysis/macs.h"

namespace vitals {
namespace {

const Shape& input_shape(const Graph& graph, const Node& node, std::size_t i) {
  return graph.nodes[node.inputs[i]].shape;
}

}  // namespace

Count macs(const Graph& graph, const Node& node) {
  using namespace op;
  auto none = [](const auto&) { return Count(0); };
  return std::visit(
      Overloaded{
          [&](const Linear& o) { return numel(node.shape) * o.in; },
          [&](const ExpertLinear& o) { return numel(node.shape) * o.in; },
          [&](const Conv& o) {
            return numel(node.shape) * (o.in / o.groups) * o.kernel[0] * o.kernel[1];
          },
          [&](const MatMul&) { return numel(node.shape) * input_shape(graph, node, 0).at(-1); },
          [&](const Sdpa&) {
            const auto& q = input_shape(graph, node, 0);
            const auto& v = input_shape(graph, node, 2);
            const auto queries = numel(q) / q.at(-1);
            return queries * v.at(-2) * (Count(q.at(-1)) + v.at(-1));
          },
          [&](const Input& o) { return none(o); },
          [&](const Parameter& o) { return none(o); },
          [&](const Constant& o) { return none(o); },
          [&](const Binary& o) { return none(o); },
          [&](const Scale& o) { return none(o); },
          [&](const Activation& o) { return none(o); },
          [&](const Softmax& o) { return none(o); },
          [&](const TopK& o) { return none(o); },
          [&](const MaskedFill& o) { return none(o); },
          [&](const LayerNorm& o) { return none(o); },
          [&](const RmsNorm& o) { return none(o); },
          [&](const Dropout& o) { return none(o); },
          [&](const DropPath& o) { return none(o); },
          [&](const Concat& o) { return none(o); },
          [&](const Reshape& o) { return none(o); },
          [&](const Expand& o) { return none(o); },
          [&](const Permute& o) { return none(o); },
          [&](const Slice& o) { return none(o); },
          [&](const Copy& o) { return none(o); },
          [&](const Roll& o) { return none(o); },
          [&](const Reduce& o) { return none(o); },
          [&](const Embedding& o) { return none(o); },
          [&](const Gather& o) { return none(o); },
          [&](const Rope& o) { return none(o); },
      },
      node.op);
}

}  // namespace vitals
