#include "runtime/program/program.h"

namespace vitals {
namespace {

// Distinct elements of a view: a dimension with stride 0 repeats what is there.
Count distinct(const View& view) {
  Count count = 1;
  for (std::size_t i = 0; i < view.shape.rank(); ++i)
    if (view.strides[i] != 0) count *= view.shape[i];
  return count;
}

}  // namespace

Count weight_bytes_of(const Graph& graph, const Step& step, Element weights) {
  const auto elements = [&](ParamId id) {
    return id == kNone ? Count(0) : numel(graph.params[id]);
  };
  return std::visit(Overloaded{
                        [&](const step::Linear& s) {
                          return elements(s.weight) * element_size(weights) +
                                 (elements(s.bias) + elements(s.gamma)) * sizeof(float);
                        },
                        [&](const step::Norm& s) {
                          return (elements(s.weight) + elements(s.bias)) * sizeof(float);
                        },
                        [&](const step::Depthwise& s) {
                          return (elements(s.weight) + elements(s.bias)) * sizeof(float);
                        },
                        [&](const step::Lookup&) {
                          return numel(step.out.shape) * sizeof(float);  // the rows that are read
                        },
                        [&](const step::Reference&) {
                          const auto& params = graph.nodes[step.node].params;
                          return (elements(params[0]) + elements(params[1])) * sizeof(float);
                        },
                        [](const auto&) { return Count(0); },
                    },
                    step.kind);
}

Count bytes_of(const Graph& graph, const Program& program, const Step& step, Element weights) {
  const auto size = [&](const View& v) { return size_of(program.buffers[v.buffer].dtype); };
  Count bytes = weight_bytes_of(graph, step, weights) + numel(step.out.shape) * size(step.out);
  for (const auto& view : step.in) bytes += distinct(view) * size(view);
  return bytes;
}

}  // namespace vitals
