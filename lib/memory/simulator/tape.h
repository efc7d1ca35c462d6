// Tensors without data, and autograd over them: handles on storages, the graph of backward nodes
// that a forward pass records, and the engine that walks it, in the order of PyTorch 1.13's
// (torch/csrc/autograd/engine.cpp). Reference counts free memory, as they do there. Knows no ops.
#pragma once

#include "core/shape.h"
#include "memory/simulator/allocator.h"

#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace vitals::eager {

inline constexpr std::uint32_t kNoNode = UINT32_MAX;

// All that an allocation must know of a tensor. Over several devices `split` is the number of
// equal pieces that it is cut into; shapes stay those of the whole.
struct Meta {
  Shape shape;
  Strides strides;
  DType dtype = DType::f32;
  std::uint64_t split = 1;
};
[[nodiscard]] inline Meta contiguous(const Shape& shape, DType dtype, std::uint64_t split = 1) {
  return {shape, contiguous_strides(shape), dtype, split};
}
[[nodiscard]] Count bytes_of(const Meta& meta);

// at::TensorImpl. A view is another one on the same storage.
struct TensorImpl : Meta {
  StoragePtr storage;
  std::uint32_t node = kNoNode;  // the backward node that made it, and which of its outputs it is
  std::uint32_t output = 0;
  std::uint32_t leaf = kNoNode;  // its place among the leaves, when gradients end here
};
using Tensor = std::shared_ptr<TensorImpl>;
using Tensors = std::vector<Tensor>;

class Tape;

// Gradients of the outputs and the saved tensors -> gradients of the inputs; null where there is
// none. Allocates in PyTorch's order.
using Backward = std::function<Tensors(Tensors& grads, Tensors& saved)>;

struct Edge {
  std::uint32_t node = kNoNode;
  std::uint32_t leaf = kNoNode;
  std::uint32_t output = 0;

  [[nodiscard]] bool empty() const { return node == kNoNode && leaf == kNoNode; }
};

struct BackwardNode {
  Label label;
  std::vector<Edge> next;     // one an input
  std::vector<Meta> outputs;  // of the forward op: what the incoming gradients must be
  Tensors saved;
  Backward backward;
  // Values whose gradient ends here: the edge's AccumulateGrad holds its variable
  // (torch/csrc/autograd/functions/accumulate_grad.h). Parameters live anyway.
  std::vector<StoragePtr> variables;
};

// Where gradients end: a parameter, or an input of a checkpointed region.
struct Leaf {
  Meta meta;
  Tensor grad;
  Kind kind = Kind::weight_gradient;  // what its gradient counts as
  std::uint64_t shards = 1;           // a rank keeps one of so many parts of the gradient
  bool on_host = false;               // that part leaves the device
};

class Tape {
 public:
  explicit Tape(Memory& memory) : memory_(memory) {}

  [[nodiscard]] Memory& memory() { return memory_; }
  void set_recording(bool on) { recording_ = on; }

  // A fresh tensor. In the backward pass it counts as a gradient, in the forward pass as an
  // activation, unless told otherwise.
  [[nodiscard]] Tensor empty(const Meta& meta);
  [[nodiscard]] Tensor empty(const Meta& meta, Kind kind);
  [[nodiscard]] static Tensor view(const Tensor& x, const Shape& shape, const Strides& strides);

  [[nodiscard]] Tensor make_leaf(StoragePtr storage, const Meta& meta, Kind gradient_kind);
  [[nodiscard]] Leaf& leaf(std::uint32_t id) { return leaves_[id]; }

  // Does a gradient flow to it?
  [[nodiscard]] bool needs_grad(const Tensor& input) const;
  // Is it an end of gradients that is no parameter: an input that asks for one?
  [[nodiscard]] bool is_activation_leaf(const Tensor& x) const {
    return x->leaf != kNoNode && leaves_[x->leaf].kind == Kind::activation_gradient;
  }

  // Makes `outputs` results of a backward node, when a gradient flows to any input. Null entries
  // are allowed in inputs and saved.
  void record(const Tensors& outputs, const Tensors& inputs, Tensors saved, Backward backward);
  Tensor record(Tensor output, const Tensors& inputs, Tensors saved, Backward backward) {
    record(Tensors{output}, inputs, std::move(saved), std::move(backward));
    return output;
  }

  // What autograd keeps goes to the host when it is saved, and comes back for its backward node;
  // parameters and small tensors stay.
  void offload_saved() { offloads_ = true; }

  [[nodiscard]] std::span<const BackwardNode> nodes() const { return nodes_; }

  // From roots with their gradients down to the leaves. Nodes made since `first` are spent
  // afterwards.
  void backward(const Tensors& roots, Tensors gradients, std::uint32_t first);
  // Called around every backward node, with its label set.
  std::function<void()> before_node;
  std::function<void()> after_node;

  // Sums a gradient over broadcast dimensions.
  [[nodiscard]] Tensor sum_to(const Tensor& gradient, const Meta& target);
  [[nodiscard]] Tensor cast(const Tensor& x, DType dtype);

  // The strides that TensorIterator gives the result of an elementwise op.
  [[nodiscard]] static Meta elementwise(std::initializer_list<Tensor> operands, DType dtype);

 private:
  friend class Engine;
  [[nodiscard]] Tensor moved_out(const Tensor& x) const;
  void move_in(Tensors& saved);
  void accumulate_leaf(std::uint32_t id, const Tensor& gradient);

  Memory& memory_;
  bool recording_ = true;
  bool offloads_ = false;
  bool in_backward_ = false;
  std::vector<BackwardNode> nodes_;
  std::vector<Leaf> leaves_;
};

}  // namespace vitals::eager
