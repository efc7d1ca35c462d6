// Writes a trace. Module functions run a forward pass on Tensors that have shapes but no data; the
// builder records ops, parameters and module calls under the checkpoint's own names. Knows
// PyTorch's functional ops, no layers and no models.
#pragma once

#include "graph/graph.h"

#include <concepts>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace vitals {

class Builder;

// A value of the trace: a handle that is cheap to copy.
class Tensor {
 public:
  Tensor(Builder& builder, NodeId id) : builder_(&builder), id_(id) {}

  [[nodiscard]] NodeId id() const { return id_; }
  // A copy: the next op may move the nodes.
  [[nodiscard]] Shape shape() const;
  // Python's indexing: dim(-1) is the number of features.
  [[nodiscard]] std::uint64_t dim(int i) const { return shape().at(i); }
  [[nodiscard]] Builder& builder() const { return *builder_; }

 private:
  Builder* builder_;
  NodeId id_;
};

using Tensors = std::vector<Tensor>;

enum class AttentionKernel : std::uint8_t { eager, fused };

struct BuildOptions {
  std::uint64_t batch = 1;
  bool training = false;  // dropout and stochastic depth act
  AttentionKernel attention = AttentionKernel::eager;
  std::uint64_t seq_len = 0;   // tokens of a language model's input; 0: the model's own default
  std::uint64_t past_len = 0;  // tokens before them, whose keys and values are cached already
  // tokens that an encoder reads for a decoder; 0: the model's default
  std::uint64_t source_len = 0;
  // Models whose library did so up to its version 4.45 copy keys and values to every query head
  // before flash attention.
  bool repeat_kv = false;
  bool last_logits = false;  // a language model's head runs on the last token alone
  // More ops than this are refused: a description that would not end. No real model comes near.
  std::size_t max_ops = 20'000'000;
};

// What a module is: the name of its class, and what analyses read of it.
struct ModuleType {
  template <std::convertible_to<std::string_view> Name>
  // NOLINTNEXTLINE(google-explicit-constructor): most modules are a name and no more
  constexpr ModuleType(const Name& class_name, Role its_role = Role::none,
                       TorchClass its_class = TorchClass::other)
      : name(class_name), role(its_role), torch(its_class) {}

  std::string_view name;
  Role role;
  TorchClass torch;
  std::uint32_t layer = kNone;  // which one of its stack, where the role is layer
  AttentionHeads heads = {};    // where the role is attention
};

inline constexpr ModuleType kSequential{"Sequential", Role::none, TorchClass::sequential};
inline constexpr ModuleType kModuleList{"ModuleList", Role::none, TorchClass::module_list};

[[nodiscard]] inline ModuleType attention_type(std::string_view name, std::uint64_t heads,
                                               std::uint64_t kv_heads) {
  ModuleType type(name, Role::attention);
  type.heads = {heads, kv_heads};
  return type;
}

[[nodiscard]] inline ModuleType layer_type(std::string_view name, std::uint64_t index) {
  ModuleType type(name, Role::layer);
  type.layer = static_cast<std::uint32_t>(index);
  return type;
}

class Builder {
 public:
  Builder(std::string model, BuildOptions options);
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  [[nodiscard]] const BuildOptions& options() const { return options_; }
  [[nodiscard]] Graph& graph() { return graph_; }

  // Runs `body` as one forward call of the child module `name` of the current module. A module that
  // is called again under the same name is the same module. Body returns a Tensor or Tensors.
  template <std::invocable F>
  auto call(std::string_view name, const ModuleType& type, const Tensors& inputs, F&& body) {
    const auto id = enter(name, type, inputs);
    auto result = std::forward<F>(body)();
    leave(id, result);
    return result;
  }

  // The same for layer `index` of a stack, under that number.
  template <std::invocable F>
  auto layer(std::uint64_t index, std::string_view type, const Tensors& inputs, F&& body) {
    return call(std::to_string(index), layer_type(type, index), inputs, std::forward<F>(body));
  }

  // A module that only holds others and is never called itself (ModuleList).
  template <std::invocable F>
  auto within(std::string_view name, const ModuleType& type, F&& body) {
    const auto saved = module_;
    module_ = child(name, type);
    auto result = std::forward<F>(body)();
    module_ = saved;
    return result;
  }

  // Notes that a library calls an nn.Identity of this name here.
  void name(std::string_view name, Tensor x);

  // Closes the trace; the builder is spent.
  [[nodiscard]] Graph finish(const Tensors& outputs);

  // A parameter of the current module, created at its first use. Its role is the module's, unless
  // the module holds others; then it is stated.
  ParamId param(std::string_view name, const Shape& shape, bool buffer = false);
  ParamId param(std::string_view name, const Shape& shape, Role role);
  // A buffer of the current module, which keeps its type in every precision.
  ParamId buffer(std::string_view name, const Shape& shape, DType dtype);
  // A parameter as a value. `bias`: what is added to the result of its role's op.
  Tensor parameter(std::string_view name, const Shape& shape);
  Tensor parameter(std::string_view name, const Shape& shape, Role role, bool bias = false);

  Tensor input(const Shape& shape, DType dtype = DType::f32);
  Tensor constant(const Shape& shape, DType dtype = DType::f32);
  // The same with its values, for those who run the trace.
  Tensor constant(const Shape& shape, std::function<void(std::span<float>)> fill);
  Tensor zeros(const Shape& shape);
  // What an earlier forward pass left behind (a KV cache): data, but no input of the model.
  Tensor state(const Shape& shape, DType dtype = DType::f32);
  // Notes what the current module keeps of every token while the model generates.
  void keep_cache(KvCache cache);

  Tensor add(Op op, const Tensors& inputs, ParamId weight = kNone, ParamId bias = kNone);

  // x W^T + b with a weight that is given (its own, or a tied one).
  Tensor linear(Tensor x, std::uint64_t out, ParamId weight, ParamId bias = kNone,
                bool transposed = false);
  // The same with a bias that is computed.
  Tensor linear(Tensor x, std::uint64_t out, ParamId weight, Tensor bias);
  // torch.matmul; unfit batch strides are copied first, as PyTorch does.
  Tensor matmul(Tensor a, Tensor b);
  Tensor softmax(Tensor x) { return add(op::Softmax{}, {x}); }
  Tensor activation(Tensor x, op::ActivationKind kind) { return add(op::Unary{kind}, {x}); }
  // No node when the rate is zero or the model is evaluated.
  Tensor dropout(Tensor x, double rate);

  Tensor reshape(Tensor x, const Shape& shape);
  Tensor expand(Tensor x, const Shape& shape) { return add(op::Expand{shape}, {x}); }
  Tensor permute(Tensor x, const Dims& order) { return add(op::Permute{order}, {x}); }
  Tensor transpose(Tensor x, int a, int b);
  // x[..., index, ...] with the axis dropped
  Tensor select(Tensor x, int axis, std::uint64_t index);
  Tensor slice(Tensor x, int axis, std::uint64_t start, std::uint64_t length);
  // torch.split(x, lengths, axis) and x.unbind(axis): all pieces at once.
  Tensors split(Tensor x, int axis, const std::vector<std::uint64_t>& lengths);
  Tensors unbind(Tensor x, int axis);
  Tensor concat(const Tensors& xs, int axis) { return add(op::Concat{axis}, xs); }
  Tensor mean(Tensor x, int axis) { return add(op::Reduce{op::ReduceKind::mean, axis}, {x}); }
  Tensor contiguous(Tensor x);

  // States that the PyTorch code binds these to names of the current module's forward that are not
  // bound again, so that they live until it returns.
  void keep(const Tensors& xs);

 private:
  friend class Tensor;

  CallId enter(std::string_view name, const ModuleType& type, const Tensors& inputs);
  void leave(CallId id, const Tensor& output);
  void leave(CallId id, const Tensors& outputs);
  ModuleId child(std::string_view name, const ModuleType& type);
  Tensor foldable(Tensor x);
  Tensor implied_copy(Tensor x) { return add(op::Copy{true}, {x}); }
  Tensor rows(Tensor x);

  BuildOptions options_;
  Graph graph_;
  ModuleId module_ = 0;
  CallId call_ = 0;
  Count all_params_;
  std::unordered_map<std::string, ModuleId> by_path_;
};

inline Shape Tensor::shape() const { return builder_->graph_.nodes[id_].shape; }

[[nodiscard]] Tensor operator+(Tensor a, Tensor b);
[[nodiscard]] Tensor operator-(Tensor a, Tensor b);
[[nodiscard]] Tensor operator*(Tensor a, Tensor b);
[[nodiscard]] Tensor operator*(Tensor a, double factor);

}  // namespace vitals
