// torch.compile (Inductor): products stay kernels of their own; what stands between two of them
// fuses into one kernel for every connected part, and its inner values never reach memory.
#include "latency/layout.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace vitals::latency {
namespace {

class Compiled {
 public:
  explicit Compiled(const Layout& layout)
      : layout_(layout),
        users_(users_of(layout.graph())),
        group_(layout.graph().nodes.size()),
        segment_(layout.graph().nodes.size()) {
    std::iota(group_.begin(), group_.end(), NodeId{0});
  }

  std::vector<Kernel> run() {
    const auto count = static_cast<NodeId>(layout_.graph().nodes.size());
    unsigned segment = 0;
    for (NodeId id = 0; id < count; ++id) {
      if (product(id)) {
        ++segment;
        add_product(id);
      }
      segment_[id] = segment;
    }
    for (NodeId id = 0; id < count; ++id)
      if (fuses(id)) join(id);
    std::map<NodeId, std::vector<NodeId>> groups;
    for (NodeId id = 0; id < count; ++id)
      if (fuses(id)) groups[find(id)].push_back(id);
    for (const auto& [root, members] : groups) add_fused(members);
    return std::move(kernels_);
  }

 private:
  [[nodiscard]] const Node& node(NodeId id) const { return layout_.node(id); }
  [[nodiscard]] bool product(NodeId id) const { return stands_alone(node(id).op); }
  // Only says where data lies: Inductor reads through it.
  [[nodiscard]] bool transparent(NodeId id) const {
    return !is_leaf(node(id).op) && !product(id) &&
           (is_view(layout_.graph(), id) ||
            traits(node(id).op).fusion == FusionClass::seen_through);
  }
  [[nodiscard]] bool fuses(NodeId id) const {
    return !is_leaf(node(id).op) && !product(id) && !transparent(id);
  }
  [[nodiscard]] NodeId source(NodeId id) const {
    while (transparent(id)) id = node(id).inputs[0];
    return id;
  }
  NodeId find(NodeId id) {
    while (group_[id] != id) id = group_[id] = group_[group_[id]];
    return id;
  }
  void join(NodeId id) {
    for (auto input : node(id).inputs) {
      const auto from = source(input);
      if (fuses(from) && segment_[from] == segment_[id]) group_[find(from)] = find(id);
    }
  }

  void add_product(NodeId id) {
    const auto& n = node(id);
    if (!is_product(n.op)) {
      kernels_.push_back(layout_.other(id));
      return;
    }
    if (layout_.casts()) {
      for (auto param : n.params)
        if (param != kNone)
          kernels_.push_back(layout_.cast(numel(layout_.graph().params[param]).as_double(), n));
      for (auto input : n.inputs)
        if (std::holds_alternative<op::Input>(node(source(input)).op))
          kernels_.push_back(layout_.cast(layout_.stored(input), n));
    }
    for (auto input : n.inputs) add_copy(input, n);
    kernels_.push_back(layout_.product(id));
  }

  // Data that goes from one product to the next in another order has a kernel for itself.
  void add_copy(NodeId input, const Node& reader) {
    const auto from = source(input);
    bool copied = false;
    for (auto id = input; id != from; id = node(id).inputs[0])
      copied = copied || std::holds_alternative<op::Copy>(node(id).op);
    if (!copied || !product(from)) return;
    auto kernel = layout_.kernel(KernelKind::elementwise, "copy", reader);
    kernel.bytes = kernel.strided_bytes = layout_.elements(input) * layout_.size(from);
    kernels_.push_back(kernel);
  }

  // Ops that read a value, views and copies seen through.
  void readers(NodeId id, std::vector<NodeId>& result) const {
    for (auto user : users_[id]) {
      if (transparent(user))
        readers(user, result);
      else
        result.push_back(user);
    }
  }

  void add_fused(const std::vector<NodeId>& members) {
    const auto& last = node(members.back());
    auto kernel = layout_.kernel(KernelKind::elementwise, "fused", last);
    std::vector<NodeId> seen;
    for (auto id : members) {
      const auto work = work_of(node(id).op);
      if (work == Work::norm || work == Work::softmax) kernel.kind = KernelKind::norm;
      kernel.bytes += layout_.params(node(id)) * layout_.param_size();
      if (std::holds_alternative<op::Roll>(node(id).op)) kernel.rolled += layout_.elements(id);
      for (auto input : node(id).inputs) {
        if (std::find(seen.begin(), seen.end(), input) != seen.end()) continue;
        seen.push_back(input);
        add_read(kernel, input, members);
      }
      add_write(kernel, id, members);
    }
    kernels_.push_back(kernel);
  }

  static bool has(const std::vector<NodeId>& members, NodeId id) {
    return std::binary_search(members.begin(), members.end(), id);
  }

  void add_read(Kernel& kernel, NodeId input, const std::vector<NodeId>& members) const {
    const auto from = source(input);
    if (has(members, from)) return;
    const double elements = std::min(layout_.stored(input), layout_.elements(from));
    const bool across = product(from) && node(input).shape.rank() > 2 &&
                        layout_.grain(input) != 1 &&
                        layout_.elements(input) == layout_.elements(from);
    (across ? kernel.strided_bytes : kernel.bytes) += elements * layout_.size(from);
  }

  // What others read is written, once in the type of each kind of reader.
  void add_write(Kernel& kernel, NodeId id, const std::vector<NodeId>& members) const {
    std::vector<NodeId> users;
    readers(id, users);
    const bool result = users.empty();
    std::erase_if(users, [&](NodeId user) { return has(members, user); });
    if (users.empty() && !result) return;
    const auto by_product = [&](NodeId user) { return product(user); };
    const double elements = layout_.elements(id);
    const bool low = layout_.casts() && std::any_of(users.begin(), users.end(), by_product);
    if (low) kernel.bytes += elements * layout_.product_size();
    if (!low || !std::all_of(users.begin(), users.end(), by_product))
      kernel.bytes += elements * layout_.size(id);
  }

  const Layout& layout_;
  std::vector<std::vector<NodeId>> users_;
  std::vector<NodeId> group_;
  std::vector<unsigned> segment_;
  std::vector<Kernel> kernels_;
};

}  // namespace

std::vector<Kernel> compiled_kernels(const Layout& layout) { return Compiled(layout).run(); }

}  // namespace vitals::latency
