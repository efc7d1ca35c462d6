#include "runtime/forward.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace vitals {
namespace {

using Names = std::map<std::string, NodeId>;

void add_all(Names& names, const std::string& name, const std::vector<NodeId>& values) {
  if (values.size() == 1) {
    names[name] = values.front();
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) names[fmt::format("{}.{}", name, i)] = values[i];
}

// What the first block of the stack gets.
void add_block_input(Names& names, const Graph& graph) {
  for (const auto& call : graph.calls) {
    const auto& path = graph.modules[call.module].path;
    if (path != "blocks.0" && !path.ends_with(".blocks.0")) continue;
    if (!call.inputs.empty()) names["block_input"] = call.inputs.front();
    return;
  }
}

Names wanted(const Graph& graph, bool all) {
  Names names;
  add_all(names, "logits", graph.outputs);
  if (!all) return names;
  for (const auto& named : graph.named_values) names[named.path] = named.value;
  for (auto id : graph.completion) {
    const auto& path = graph.modules[graph.calls[id].module].path;
    if (!path.empty()) add_all(names, path, graph.calls[id].outputs);
  }
  add_block_input(names, graph);
  return names;
}

}  // namespace

std::string place_of(std::uint64_t index, const Shape& shape) {
  Dims place = shape;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    place[i] = index % shape[i];
    index /= shape[i];
  }
  return to_string(place);
}

void require_finite(std::span<const float> values, const Shape& shape) {
  const auto bad =
      std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const auto count =
      std::count_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  fail("element {} is {}; {} of {} elements are not finite",
       place_of(static_cast<std::uint64_t>(bad - values.begin()), shape), *bad, count,
       values.size());
}

std::vector<NamedTensor> forward(const Graph& graph, Engine& engine, const ParamSource& params,
                                 std::span<const float> input, const ForwardOptions& options) {
  if (graph.inputs.size() != 1 || graph.nodes[graph.inputs[0]].dtype != DType::f32)
    fail("{}: vitals runs models whose only input is an image", graph.model);
  const auto names = wanted(graph, options.all);
  ExecutorOptions o;
  o.precision = options.precision;
  for (const auto& [name, id] : names) o.keep.push_back(id);
  Executor executor(graph, engine, params, o);
  std::copy(input.begin(), input.end(), executor.input().begin());
  executor.run(options.progress);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, id] : names)
    tensors.push_back({name, graph.nodes[id].shape, executor.value(id)});
  return tensors;
}

}  // namespace vitals
