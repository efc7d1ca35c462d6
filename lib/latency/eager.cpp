// Eager PyTorch: every op is a kernel, or several.
#include "latency/layout.h"

#include <algorithm>

namespace vitals::latency {
namespace {

class Eager {
 public:
  explicit Eager(const Layout& layout) : layout_(layout), users_(users_of(layout.graph())) {}

  std::vector<Kernel> run() {
    for (NodeId id = 0; id < layout_.graph().nodes.size(); ++id)
      if (!is_view(layout_.graph(), id)) add(id);
    return std::move(kernels_);
  }

 private:
  [[nodiscard]] const Node& node(NodeId id) const { return layout_.node(id); }

  void add(NodeId id) {
    const auto& n = node(id);
    if (stands_alone(n.op) && !is_product(n.op)) {
      kernels_.push_back(layout_.other(id));
      return;
    }
    switch (work_of(n.op)) {
      case Work::none:
        return;
      case Work::product:
      case Work::attention:
        return add_product(id);
      case Work::norm:
      case Work::softmax:
        return add_norm(id);
      case Work::rope:
        return add_rope(id);
      case Work::move:
      case Work::reduce:
      case Work::lookup:
        return add_move(id);
      case Work::pointwise:
        return add_pointwise(id);
    }
  }

  Kernel& launch(KernelKind kind, std::string_view name, const Node& n) {
    return kernels_.emplace_back(layout_.kernel(kind, name, n));
  }
  Kernel& pass(std::string_view name, const Node& n, double bytes, double strided = 0) {
    auto& kernel = launch(KernelKind::elementwise, name, n);
    kernel.bytes = bytes;
    kernel.strided_bytes = strided;
    return kernel;
  }
  void cast(double elements, const Node& reader) {
    kernels_.push_back(layout_.cast(elements, reader));
  }

  // autocast casts every float32 operand; the fused attention pads a bias to 16 keys.
  void add_product(NodeId id) {
    const auto& n = node(id);
    if (layout_.casts()) {
      for (std::size_t i = 0; i < n.inputs.size(); ++i) {
        const auto input = n.inputs[i];
        const auto seen = n.inputs.begin() + static_cast<std::ptrdiff_t>(i);
        if (is_floating(node(input).dtype) && layout_.size(input) > layout_.product_size() &&
            std::find(n.inputs.begin(), seen, input) == seen)
          cast(layout_.stored(input), n);
      }
      for (auto param : n.params)
        if (param != kNone) cast(numel(layout_.graph().params[param]).as_double(), n);
    }
    if (const auto* attention = std::get_if<op::Sdpa>(&n.op))
      if (attention->bias && node(n.inputs[3]).shape.at(-1) % 16 != 0)
        pass("pad", n, 2 * layout_.stored(n.inputs[3]) * layout_.product_size());
    kernels_.push_back(layout_.product(id));
  }

  // Norms take float32 under autocast, and contiguous rows always.
  void add_norm(NodeId id) {
    const auto& n = node(id);
    const auto input = n.inputs[0];
    const double elements = layout_.elements(id);
    const double size = layout_.size(id);
    if (layout_.size(input) != size) cast(elements, n);
    const bool rows = std::holds_alternative<op::LayerNorm>(n.op) ||
                      std::holds_alternative<op::RmsNorm>(n.op) ||
                      std::holds_alternative<op::GlobalResponseNorm>(n.op);
    if (rows && layout_.grain(input) != 1) pass("contiguous", n, elements * size, elements * size);
    launch(KernelKind::norm, name_of(n.op), n).bytes =
        2 * elements * size + layout_.params(n) * layout_.param_size();
  }

  // timm's apply_rot_embed_cat: negate a half, stack, two products with the tables, a sum, and the
  // cast back. The tables are float32, and so is what they touch.
  void add_rope(NodeId id) {
    const auto& n = node(id);
    const double elements = layout_.elements(id);
    const double size = layout_.size(n.inputs[0]);
    const double wide = layout_.execution().autocast ? 4.0 : size;
    const double table = 0.5 * layout_.stored(n.inputs[1]) * wide;
    pass("neg", n, elements * size);
    pass("stack", n, 2 * elements * size);
    pass("mul", n, elements * (size + wide) + table);
    pass("mul", n, elements * (size + wide) + table);
    pass("add", n, 3 * elements * wide);
    if (wide != size) cast(elements, n);
  }

  void add_move(NodeId id) {
    const auto& n = node(id);
    const double out = layout_.elements(id) * layout_.size(id);
    double straight = out;
    double strided = 0;
    const bool gathers = work_of(n.op) == Work::lookup;
    const bool joins = std::holds_alternative<op::Concat>(n.op);
    for (auto input : n.inputs) {
      const double elements =
          static_cast<double>(gathers ? layout_.elements(id) : layout_.elements(input));
      const bool across = crosses(input, id, joins, elements);
      (across ? strided : straight) += elements * layout_.size(gathers ? id : input);
    }
    pass(name_of(n.op), n, straight, strided);
  }

  // Whether the op reads across the grain of what it writes.
  [[nodiscard]] bool crosses(NodeId input, NodeId id, bool joins, double elements) const {
    const auto& n = node(id);
    if (std::holds_alternative<op::Reshape>(n.op)) return layout_.grain(input) != 1;
    if (std::holds_alternative<op::Copy>(n.op) || std::holds_alternative<op::Permute>(n.op))
      return layout_.grain(input) != layout_.grain(id);
    return joins && node(input).shape.rank() == n.shape.rank() &&
           layout_.grain(input) != layout_.grain(id) && 4 * elements > layout_.elements(id);
  }

  void add_pointwise(NodeId id) {
    const auto& n = node(id);
    if (starts_addcmul(id)) return;
    const double out = layout_.elements(id) * layout_.size(id);
    if (const auto* activation = std::get_if<op::Unary>(&n.op)) {
      const double moved = traits(activation->kind).traffic * out;
      const auto passes = static_cast<int>(moved / out / 2);
      for (int i = 0; i < passes; ++i) pass(name_of(n.op), n, moved / passes);
      return;
    }
    double straight = out;
    double strided = 0;
    for (std::size_t i = 0; i < n.inputs.size(); ++i) {
      const auto input = n.inputs[i];
      const auto seen = n.inputs.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(n.inputs.begin(), seen, input) != seen) continue;
      const bool across = node(input).shape == n.shape && layout_.grain(input) != layout_.grain(id);
      (across ? strided : straight) += layout_.stored(input) * layout_.size(input);
    }
    pass(name_of(n.op), n, straight, strided);
  }

  [[nodiscard]] bool reads_parameter(const Node& n) const {
    return std::any_of(n.inputs.begin(), n.inputs.end(), [&](NodeId id) {
      return std::holds_alternative<op::Parameter>(node(id).op);
    });
  }
  // x * alpha + beta with parameters is one torch.addcmul: its product is no kernel of its own.
  [[nodiscard]] bool starts_addcmul(NodeId id) const {
    const auto& n = node(id);
    const auto* mul = std::get_if<op::Binary>(&n.op);
    if (mul == nullptr || mul->kind != op::BinaryKind::mul || !reads_parameter(n)) return false;
    if (users_[id].size() != 1) return false;
    const auto& user = node(users_[id].front());
    const auto* add = std::get_if<op::Binary>(&user.op);
    return add != nullptr && add->kind == op::BinaryKind::add && user.call == n.call &&
           reads_parameter(user);
  }

  const Layout& layout_;
  std::vector<std::vector<NodeId>> users_;
  std::vector<Kernel> kernels_;
};

}  // namespace

std::vector<Kernel> eager_kernels(const Layout& layout) { return Eager(layout).run(); }

}  // namespace vitals::latency
