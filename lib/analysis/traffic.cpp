#include "analysis/traffic.h"

#include "analysis/sizes.h"

#include <algorithm>

namespace vitals {
namespace {

// Elements that lie in memory: an expanded dimension (stride 0) repeats them.
std::uint64_t stored_elements(const Node& node) {
  std::uint64_t product = 1;
  for (std::size_t i = 0; i < node.shape.rank(); ++i)
    if (node.strides[i] != 0) product *= node.shape[i];
  return product;
}

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
  static constexpr const char* kNames[] = {"input", "second input", "third input", "fourth input",
                                           "fifth input"};
  Traffic t;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const auto id = node.inputs[i];
    const auto seen = node.inputs.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(node.inputs.begin(), seen, id) != seen) continue;
    const auto& x = graph.nodes[id];
    t.read.plus({{kNames[i], stored_elements(x)}, size(x.dtype)});
  }
  read_params(t.read, graph, node);
  t.written = written(node);
  return t;
}

// As much is read as is written: data that only changes its place.
Traffic moved(const Node& node) { return {written(node), written(node)}; }

Traffic traffic_of(const op::Input&, const Graph&, const Node&) { return {}; }
Traffic traffic_of(const op::Parameter&, const Graph&, const Node&) { return {}; }
Traffic traffic_of(const op::Constant&, const Graph&, const Node&) { return {}; }
Traffic traffic_of(const op::Linear&, const Graph& g, const Node& n) { return all_operands(g, n); }
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
Traffic traffic_of(const op::Conv&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::MatMul&, const Graph& g, const Node& n) { return all_operands(g, n); }
// The scores stay on the chip (Dao et al. 2022, arXiv:2205.14135).
Traffic traffic_of(const op::Sdpa&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::Binary&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::Scale&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::Activation&, const Graph& g, const Node& n) {
  return all_operands(g, n);
}
Traffic traffic_of(const op::Softmax&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::TopK&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::MaskedFill&, const Graph& g, const Node& n) {
  return all_operands(g, n);
}
Traffic traffic_of(const op::LayerNorm&, const Graph& g, const Node& n) {
  return all_operands(g, n);
}
Traffic traffic_of(const op::RmsNorm&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::GlobalResponseNorm&, const Graph& g, const Node& n) {
  return all_operands(g, n);
}
Traffic traffic_of(const op::Dropout&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::DropPath&, const Graph& g, const Node& n) {
  return all_operands(g, n);
}
Traffic traffic_of(const op::Reduce&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::Rope&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::Concat&, const Graph&, const Node& n) { return moved(n); }
// Those that are no views copy.
Traffic traffic_of(const op::Reshape&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::Copy&, const Graph& g, const Node& n) { return all_operands(g, n); }
Traffic traffic_of(const op::Expand&, const Graph&, const Node& n) { return moved(n); }
Traffic traffic_of(const op::Permute&, const Graph&, const Node& n) { return moved(n); }
Traffic traffic_of(const op::Slice&, const Graph&, const Node& n) { return moved(n); }
Traffic traffic_of(const op::Roll&, const Graph&, const Node& n) { return moved(n); }

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

}  // namespace

Traffic traffic(const Graph& graph, const Node& node) {
  if (is_view(graph, id_of(graph, node))) return {};
  return std::visit([&](const auto& o) { return traffic_of(o, graph, node); }, node.op);
}

}  // namespace vitals
