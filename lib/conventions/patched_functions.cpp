#include "conventions/patched_functions.h"

#include "cost/macs.h"
#include "cost/sizes.h"

namespace vitals {
namespace {

Formula elements_read(const Graph& graph, const Node& node) {
  return {{"input", elements_of(input_shape(graph, node, 0))}};
}

Formula norm_formula(const Graph& graph, const Node& node, std::uint64_t affine,
                     std::uint64_t plain) {
  return {{nullptr, node.params[0] != kNone ? affine : plain},
          {"input", elements_of(input_shape(graph, node, 0))}};
}

// transformers calls torch.matmul and F.softmax; timm writes a @ b and scores.softmax(), and
// nn.MultiheadAttention calls the fused op.
bool calls_functions(const Graph& graph) {
  return graph.library != Library::timm && graph.library != Library::torchvision_mha;
}

class Patched {
 public:
  Patched(const Graph& graph, const PatchedFunctions& patched, const Node& node)
      : graph_(graph), patched_(patched), node_(node) {}

  Formula operator()(const op::Conv&) const {
    auto formula = products();
    if (node_.params[1] != kNone) formula.plus({{"bias", elements_of(node_.shape)}});
    return formula;
  }
  Formula operator()(const op::MatMul&) const {
    const bool seen = graph_.library == Library::timm ? patched_.matmul_operator
                      : calls_functions(graph_)       ? true
                                                      : patched_.fused_attention;
    return seen ? products() : Formula();
  }
  Formula operator()(const op::Sdpa&) const {
    return patched_.fused_attention ? products() : Formula();
  }
  Formula operator()(const op::BatchNorm& o) const {
    return o.training ? norm_formula(graph_, node_, 5, 4) : norm_formula(graph_, node_, 2, 1);
  }
  Formula operator()(const op::LayerNorm&) const { return norm_formula(graph_, node_, 5, 4); }
  Formula operator()(const op::GroupNorm&) const { return norm_formula(graph_, node_, 5, 4); }
  Formula operator()(const op::Softmax& o) const {
    return calls_functions(graph_) && !o.log ? elements_read(graph_, node_) : Formula();
  }
  Formula operator()(const op::Unary& o) const {
    using enum op::UnaryKind;
    const bool seen = o.kind == gelu || o.kind == gelu_tanh || o.kind == silu || o.kind == relu ||
                      o.kind == leaky_relu || o.kind == elu;
    return seen ? elements_read(graph_, node_) : Formula();
  }
  Formula operator()(const op::Pool&) const { return elements_read(graph_, node_); }
  Formula operator()(const op::AdaptivePool&) const { return elements_read(graph_, node_); }
  Formula operator()(const op::Resize&) const {
    return patched_.scaled_resize ? Formula{{"output", elements_of(node_.shape)}}
                                  : elements_read(graph_, node_);
  }
  // Written out in Python, or called by names that have no wrapper.
  Formula operator()(const op::LinearRecurrence&) const { return {}; }
  Formula operator()(const op::Opaque&) const { return {}; }
  template <class O>
  Formula operator()(const O&) const {
    return products();
  }

 private:
  [[nodiscard]] Formula products() const { return macs_formula(graph_, node_).times(2); }

  const Graph& graph_;
  const PatchedFunctions& patched_;
  const Node& node_;
};

}  // namespace

void visit_patched(const Graph& graph, const PatchedFunctions& patched,
                   const std::function<void(const Node&, const Formula&)>& visit) {
  for (const auto& node : graph.nodes) {
    const auto formula = std::visit(Patched(graph, patched, node), node.op);
    if (!formula.empty()) visit(node, formula);
  }
}

}  // namespace vitals
