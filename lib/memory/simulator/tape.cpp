#include "memory/simulator/tape.h"

#include <algorithm>
#include <numeric>

namespace vitals::eager {
namespace {

// Non-overlapping and dense: the elements fill their memory in some order of dimensions.
bool is_dense(const Meta& m) {
  const auto strides = elementwise_strides(m.shape, m.strides);
  for (std::size_t d = 0; d < m.shape.rank(); ++d)
    if (m.shape[d] != 1 && strides[d] != m.strides[d]) return false;
  return true;
}

using Rows = std::vector<std::array<std::uint64_t, kMaxRank>>;

// -1: d0 stays before d1, 1: they swap, 0: undecided (TensorIteratorBase::reorder_dimensions).
int compare(const Rows& strides, const Shape& shape, std::size_t d0, std::size_t d1) {
  for (const auto& s : strides) {
    if (s[d0] == 0 || s[d1] == 0) continue;
    if (s[d0] != s[d1]) return s[d0] < s[d1] ? -1 : 1;
    if (shape[d0] > shape[d1]) return 1;
  }
  return 0;
}

Strides iterator_strides(const Shape& shape, std::initializer_list<Tensor> operands) {
  const auto n = shape.rank();
  Rows rows;
  for (const auto& x : operands) {
    auto& row = rows.emplace_back();
    const auto off = n - x->shape.rank();
    for (std::size_t d = off; d < n; ++d)
      row[d] = x->shape[d - off] == 1 && shape[d] != 1 ? 0 : x->strides[d - off];
  }
  std::array<std::size_t, kMaxRank> order{};  // fastest dimension first
  for (std::size_t i = 0; i < n; ++i) order[i] = n - 1 - i;
  for (std::size_t i = 1; i < n; ++i) {
    auto at = i;
    for (auto j = i; j-- > 0;) {
      const int c = compare(rows, shape, order[j], order[at]);
      if (c > 0) {
        std::swap(order[j], order[at]);
        at = j;
      } else if (c < 0) {
        break;
      }
    }
  }
  Strides strides = shape;
  std::uint64_t step = 1;
  for (std::size_t i = 0; i < n; ++i) {
    strides[order[i]] = step;
    step *= shape[order[i]];
  }
  return strides;
}

}  // namespace

Count bytes_of(const Meta& meta) {
  const auto bytes = numel(meta.shape) * size_of(meta.dtype);
  return (bytes + (meta.split - 1)) / meta.split;
}

Tensor Tape::empty(const Meta& meta, Kind kind) {
  auto impl = std::make_shared<TensorImpl>();
  static_cast<Meta&>(*impl) = meta;
  impl->storage = memory_.allocate(bytes_of(meta), kind);
  return impl;
}

Tensor Tape::empty(const Meta& meta) {
  return empty(meta, in_backward_ ? Kind::activation_gradient : Kind::activation);
}

Tensor Tape::view(const Tensor& x, const Shape& shape, const Strides& strides) {
  auto impl = std::make_shared<TensorImpl>();
  static_cast<Meta&>(*impl) = {shape, strides, x->dtype, x->split};
  impl->storage = x->storage;
  return impl;
}

Tensor Tape::make_leaf(StoragePtr storage, const Meta& meta, Kind gradient_kind) {
  auto impl = std::make_shared<TensorImpl>();
  static_cast<Meta&>(*impl) = meta;
  impl->storage = std::move(storage);
  impl->leaf = static_cast<std::uint32_t>(leaves_.size());
  leaves_.push_back({meta, nullptr, gradient_kind});
  return impl;
}

bool Tape::needs_grad(const Tensor& input) const {
  return recording_ && input && (input->leaf != kNoNode || input->node != kNoNode);
}

void Tape::record(const Tensors& outputs, const Tensors& inputs, Tensors saved, Backward backward) {
  if (std::none_of(inputs.begin(), inputs.end(), [&](const auto& x) { return needs_grad(x); }))
    return;
  BackwardNode node;
  node.label = memory_.label();
  for (const auto& x : inputs) {
    node.next.push_back(x ? Edge{x->node, x->leaf, x->output} : Edge{});
    if (x && is_activation_leaf(x)) node.variables.push_back(x->storage);
  }
  for (const auto& y : outputs) node.outputs.push_back(*y);
  if (offloads_)
    for (auto& x : saved) x = moved_out(x);
  node.saved = std::move(saved);
  node.backward = std::move(backward);
  const auto id = static_cast<std::uint32_t>(nodes_.size());
  for (std::uint32_t i = 0; i < outputs.size(); ++i) {
    outputs[i]->node = id;
    outputs[i]->output = i;
    outputs[i]->leaf = kNoNode;
  }
  nodes_.push_back(std::move(node));
}

// torchtune/training/_activation_offloading.py, OffloadActivations without streams: no parameters,
// nothing below min_offload_size.
Tensor Tape::moved_out(const Tensor& x) const {
  constexpr std::uint64_t kLeast = 1024;
  if (!x || !x->storage || bytes_of(*x) < Count(kLeast)) return x;
  const auto kind = x->storage->kind();
  if (kind == Kind::weight || kind == Kind::buffer) return x;
  auto away = std::make_shared<TensorImpl>(*x);
  away->storage = nullptr;
  return away;
}

void Tape::move_in(Tensors& saved) {
  for (auto& x : saved)
    if (x && !x->storage) x->storage = memory_.allocate(bytes_of(*x), Kind::activation);
}

Tensor Tape::sum_to(const Tensor& gradient, const Meta& target) {
  if (gradient->shape == target.shape) return gradient;
  return empty(contiguous(target.shape, gradient->dtype, target.split));
}

Tensor Tape::cast(const Tensor& x, DType dtype) {
  if (x->dtype == dtype) return x;
  Meta meta = *x;
  meta.dtype = dtype;
  if (!is_dense(*x)) meta.strides = contiguous_strides(x->shape);
  return empty(meta);
}

Meta Tape::elementwise(std::initializer_list<Tensor> operands, DType dtype) {
  Meta meta;
  meta.dtype = dtype;
  for (const auto& x : operands) {
    meta.shape = broadcast(meta.shape, x->shape).value_or(meta.shape);
    meta.split = std::max(meta.split, x->split);
  }
  const auto all = [&](auto&& is) { return std::all_of(operands.begin(), operands.end(), is); };
  const auto& first = **operands.begin();
  const bool same_shape = all([&](const Tensor& x) { return x->shape == meta.shape; });
  if (same_shape && all([](const Tensor& x) { return is_contiguous(x->shape, x->strides); }))
    meta.strides = contiguous_strides(meta.shape);
  else if (same_shape && all([&](const Tensor& x) { return x->strides == first.strides; }) &&
           is_dense(first))
    meta.strides = first.strides;
  else
    meta.strides = iterator_strides(meta.shape, operands);
  return meta;
}

void Tape::accumulate_leaf(std::uint32_t id, const Tensor& gradient) {
  auto& leaf = leaves_[id];
  if (leaf.grad) return;  // added in place
  bool same_layout = true;
  for (std::size_t d = 0; d < leaf.meta.shape.rank(); ++d)
    same_layout &= leaf.meta.shape[d] == 1 || gradient->strides[d] == leaf.meta.strides[d];
  // AccumulateGrad steals a gradient that nobody else holds and that is laid out like the leaf.
  if (leaf.shards > 1) {
    auto part = leaf.meta;
    part.split *= leaf.shards;
    leaf.grad = empty(part, leaf.kind);
    if (leaf.on_host) leaf.grad->storage = memory_.allocate(0, leaf.kind);
  } else if (gradient.use_count() == 1 && same_layout)
    leaf.grad = view(gradient, gradient->shape, gradient->strides);
  else
    leaf.grad = empty(leaf.meta, leaf.kind);
  if (leaf.grad->storage->kind() == Kind::activation_gradient)
    leaf.grad->storage->become(leaf.kind);
}

// One run of the engine: counts the edges below the roots, then runs what is ready, the latest node
// first and leaves at once.
class Engine {
 public:
  Engine(Tape& tape, std::uint32_t first) : tape_(tape), first_(first) {
    const auto count = tape.nodes_.size() - first;
    waiting_.resize(count);
    buffers_.resize(count);
  }

  void run(const Tensors& roots, Tensors gradients) {
    count_edges(roots);
    release_unreached();
    for (std::size_t i = 0; i < roots.size(); ++i) {
      if (roots[i]->node == kNoNode) continue;
      deliver({roots[i]->node, kNoNode, roots[i]->output}, std::move(gradients[i]));
    }
    gradients.clear();
    // All that is reached has a smaller number than what reaches it, so one walk from the back is
    // the priority queue.
    for (auto id = static_cast<std::uint32_t>(tape_.nodes_.size()); id-- > first_;)
      if (reached(id)) run_node(id);
    tape_.nodes_.resize(first_);
  }

 private:
  [[nodiscard]] bool reached(std::uint32_t id) const { return waiting_[id - first_] > 0; }

  // Roots count as one edge more, so that a reached node is one with waiting_ > 0.
  void count_edges(const Tensors& roots) {
    for (const auto& root : roots)
      if (root->node != kNoNode) ++waiting_[root->node - first_];
    for (auto id = static_cast<std::uint32_t>(tape_.nodes_.size()); id-- > first_;) {
      if (!reached(id)) continue;
      for (const auto& edge : tape_.nodes_[id].next) {
        if (edge.node != kNoNode) ++waiting_[edge.node - first_];
        if (edge.leaf != kNoNode) ++leaf_waiting_[edge.leaf];
      }
    }
  }

  // What no root depends on goes when the forward pass's names go.
  void release_unreached() {
    for (auto id = first_; id < tape_.nodes_.size(); ++id)
      if (!reached(id)) tape_.nodes_[id] = {};
  }

  void run_node(std::uint32_t id) {
    auto node = std::move(tape_.nodes_[id]);
    tape_.nodes_[id] = {};
    tape_.memory_.at(node.label);
    if (tape_.before_node) tape_.before_node();
    auto grads = std::move(buffers_[id - first_]);
    grads.resize(node.outputs.size());
    if (std::none_of(grads.begin(), grads.end(), [](const auto& g) { return g != nullptr; })) {
      for (const auto& edge : node.next) deliver(edge, nullptr);
      run_leaves();
      return;
    }
    tape_.move_in(node.saved);
    auto outs = node.backward(grads, node.saved);
    outs.resize(node.next.size());
    for (std::size_t i = 0; i < outs.size(); ++i) validate(node.next[i], outs[i]);
    grads.clear();
    node.saved.clear();
    node.backward = nullptr;
    node.variables.clear();
    for (std::size_t i = 0; i < outs.size(); ++i) deliver(node.next[i], std::move(outs[i]));
    run_leaves();
    if (tape_.after_node) tape_.after_node();
  }

  // validate_outputs: the shape and type of what the gradient belongs to.
  void validate(const Edge& edge, Tensor& gradient) {
    if (edge.empty()) gradient = nullptr;
    if (!gradient) return;
    const auto& meta = edge.leaf != kNoNode ? tape_.leaves_[edge.leaf].meta
                                            : tape_.nodes_[edge.node].outputs[edge.output];
    gradient = tape_.sum_to(gradient, meta);
    gradient = tape_.cast(gradient, meta.dtype);
  }

  void add(Tensor& sum, Tensor gradient) {
    if (!gradient) return;
    if (!sum) {
      sum = std::move(gradient);
      return;
    }
    // Out of place, as up to PyTorch 1.13.
    auto total = tape_.empty(Tape::elementwise({sum, gradient}, sum->dtype));
    sum = std::move(total);
  }

  void deliver(const Edge& edge, Tensor gradient) {
    if (edge.leaf != kNoNode) {
      auto& sum = leaf_sums_[edge.leaf];
      add(sum, std::move(gradient));
      if (--leaf_waiting_[edge.leaf] == 0) ready_leaves_.push_back(edge.leaf);
    } else if (edge.node != kNoNode) {
      auto& buffer = buffers_[edge.node - first_];
      buffer.resize(tape_.nodes_[edge.node].outputs.size());
      add(buffer[edge.output], std::move(gradient));
    }
  }

  void run_leaves() {
    for (const auto id : ready_leaves_) {
      const auto gradient = std::move(leaf_sums_[id]);
      leaf_sums_.erase(id);
      if (gradient) tape_.accumulate_leaf(id, gradient);
    }
    ready_leaves_.clear();
  }

  Tape& tape_;
  std::uint32_t first_;
  std::vector<std::uint32_t> waiting_;
  std::vector<Tensors> buffers_;
  std::unordered_map<std::uint32_t, std::uint32_t> leaf_waiting_;
  std::unordered_map<std::uint32_t, Tensor> leaf_sums_;
  std::vector<std::uint32_t> ready_leaves_;
};

void Tape::backward(const Tensors& roots, Tensors gradients, std::uint32_t first) {
  const bool outer = std::exchange(in_backward_, true);
  Engine(*this, first).run(roots, std::move(gradients));
  in_backward_ = outer;
}

}  // namespace vitals::eager
