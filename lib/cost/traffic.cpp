#include "cost/traffic.h"

#include "cost/sizes.h"
#include "graph/op_traits.h"

#include <algorithm>

namespace vitals {
namespace {

Formula::Factor size(DType type) { return {"bytes each", size_of(type)}; }

Formula written(const Node& node) {
  return {{"output", elements_of(node.shape)}, size(node.dtype)};
}

void read_params(Formula& read, const Graph& graph, const Node& node) {
  static constexpr const char* kNames[] = {"weight", "bias"};
  for (std::size_t i = 0; i < node.params.size(); ++i)
    if (node.params[i] != kNone)
      read.plus({{kNames[i], elements_of(graph.params[node.params[i]].shape)}, size(DType::f32)});
}

// Every input once, the same one twice is read once; then the parameters.
Traffic all_operands(const Graph& graph, const Node& node) {
  static constexpr const char* kNames[] = {"input", "second input", "third input", "fourth input"};
  constexpr std::size_t kNamed = std::size(kNames);
  Traffic t;
  Count others;  // bytes of the inputs behind those that have a name
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const auto id = node.inputs[i];
    const auto seen = node.inputs.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(node.inputs.begin(), seen, id) != seen) continue;
    const auto& x = graph.nodes[id];
    if (i < kNamed)
      t.read.plus({{kNames[i], stored_elements(x)}, size(x.dtype)});
    else
      others += Count(stored_elements(x)) * size_of(x.dtype);
  }
  if (others > Count(0)) t.read.plus({{"bytes of further inputs", others.value()}});
  read_params(t.read, graph, node);
  t.written = written(node);
  return t;
}

// As much is read as is written: data that only changes its place.
Traffic moved(const Node& node) { return {written(node), written(node)}; }

template <class O>
requires(kTraits<O>.traffic != TrafficRule::own) Traffic
    traffic_of(const O&, const Graph& graph, const Node& node) {
  switch (kTraits<O>.traffic) {
    case TrafficRule::operands:
      return all_operands(graph, node);
    case TrafficRule::moved:
      return moved(node);
    case TrafficRule::written:
      return {{}, written(node)};
    case TrafficRule::none:
    case TrafficRule::own:
      break;
  }
  return {};
}

// The weights of as many experts as can have been chosen.
Traffic traffic_of(const op::ExpertLinear& o, const Graph& graph, const Node& node) {
  const auto experts = std::min(o.experts, node.shape[0] * o.active);
  const Formula::Factor chosen{"experts", experts};
  Traffic t;
  for (auto id : node.inputs)
    t.read.plus({{"input", stored_elements(graph.nodes[id])}, size(graph.nodes[id].dtype)});
  t.read.plus({chosen, {"in", o.in}, {"out", o.out}, size(DType::f32)});
  if (o.bias) t.read.plus({chosen, {"out", o.out}, size(DType::f32)});
  t.written = written(node);
  return t;
}

// The rows that are looked up, and the index.
Traffic traffic_of(const op::Embedding&, const Graph& graph, const Node& node) {
  auto t = moved(node);
  const auto& ids = graph.nodes[node.inputs[0]];
  t.read.plus({{"ids", stored_elements(ids)}, size(ids.dtype)});
  return t;
}
Traffic traffic_of(const op::Gather& o, const Graph&, const Node& node) {
  auto t = moved(node);
  t.read.plus({{"index", o.count}, size(DType::i64)});
  return t;
}

Traffic traffic_of(const op::Take&, const Graph& graph, const Node& node) {
  auto t = moved(node);
  const auto& index = graph.nodes[node.inputs[1]];
  t.read.plus({{"index", stored_elements(index)}, size(index.dtype)});
  return t;
}

}  // namespace

Traffic traffic(const Graph& graph, const Node& node) {
  if (is_view(graph, id_of(graph, node))) return {};
  return std::visit([&](const auto& o) { return traffic_of(o, graph, node); }, node.op);
}

}  // namespace vitals
