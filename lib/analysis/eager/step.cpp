#include "analysis/eager/step.h"

#include "analysis/eager/lifetimes.h"
#include "analysis/rollup.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace vitals::eager {
namespace {

Aten::Keeps keeps_of(op::ActivationKind kind) {
  using enum op::ActivationKind;
  switch (kind) {
    case relu:
    case relu_squared:
    case tanh:
    case sigmoid:
    case exp:
      return Aten::Keeps::output;
    case gelu:
    case gelu_tanh:
    case quick_gelu:
    case silu:
    case softplus:
    case sin:
    case cos:
      return Aten::Keeps::input;
  }
  return Aten::Keeps::input;
}

class Runner {
 public:
  Runner(const Graph& graph, const StepOptions& options, std::uint64_t watch)
      : graph_(graph),
        options_(options),
        memory_(options.rounding, watch),
        tape_(memory_),
        aten_(tape_, options.settings),
        dying_(dying_after(graph)),
        values_(graph.nodes.size()) {}

  Step run() {
    make_resident();
    step_.start = memory_.by_kind();
    for (const auto id : graph_.inputs) step_.inputs.push_back(resident_.at(id)->storage->bytes());
    forward();
    if (options_.training) {
      backward();
      update();
    }
    step_.peaks = memory_.peaks();
    step_.points = memory_.points();
    step_.most_temporary = memory_.most_temporary();
    step_.composition = memory_.watched();
    return std::move(step_);
  }

 private:
  // Whatever lives before the step begins: weights, buffers, states, the batch.
  void make_resident() {
    for (ParamId id = 0; id < graph_.params.size(); ++id) {
      const auto& param = graph_.params[id];
      memory_.at({param.module, "parameter", id});
      const auto meta = contiguous(param.shape, options_.precision.weights);
      auto storage = memory_.allocate(bytes_of(meta), param.buffer ? Kind::buffer : Kind::weight);
      params_.push_back(make_param(param, std::move(storage), meta));
    }
    memory_.at({0, "kv_cache", kNone});
    if (!options_.training)
      kv_cache_ = memory_.allocate(kv_cache_bytes(graph_, options_), Kind::kv_cache);
    for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
      const auto& node = graph_.nodes[id];
      memory_.at({graph_.calls[node.call].module, name_of(node.op), kNone});
      if (std::holds_alternative<op::Constant>(node.op))
        resident_.emplace(id, resident(node, Kind::buffer));
      if (std::holds_alternative<op::Input>(node.op)) resident_.emplace(id, make_input(id));
    }
    if (options_.training) make_training_state();
  }

  Tensor make_param(const Param& param, StoragePtr storage, const Meta& meta) {
    if (options_.training ? param.trainable && !param.buffer : !param.buffer)
      return tape_.make_leaf(std::move(storage), meta, Kind::weight_gradient);
    auto impl = std::make_shared<TensorImpl>();
    static_cast<Meta&>(*impl) = meta;
    impl->storage = std::move(storage);
    return impl;
  }

  // What the model is given, or what it kept of earlier tokens.
  Tensor make_input(NodeId id) {
    const auto& node = graph_.nodes[id];
    if (std::find(graph_.inputs.begin(), graph_.inputs.end(), id) != graph_.inputs.end())
      return resident(node, Kind::input);
    auto impl = std::make_shared<TensorImpl>();
    static_cast<Meta&>(*impl) = contiguous(node.shape, options_.precision.weights);
    impl->storage = kv_cache_;
    return impl;
  }

  // Floating inputs come in the weights' type.
  Tensor resident(const Node& node, Kind kind) {
    const auto dtype = is_floating(node.dtype) ? options_.precision.weights : node.dtype;
    return tape_.empty(contiguous(node.shape, dtype), kind);
  }

  void make_training_state() {
    const bool resident_gradients =
        options_.keep_gradients || options_.precision.main_gradients == MainGradients::instead;
    for (ParamId id = 0; id < graph_.params.size(); ++id) {
      const auto& param = graph_.params[id];
      if (param.buffer || !param.trainable) continue;
      memory_.at({param.module, "optimizer", id});
      states_.push_back(memory_.allocate(optimizer_bytes(param, options_), Kind::optimizer));
      if (!resident_gradients) continue;
      auto meta = contiguous(param.shape, options_.precision.weights);
      if (options_.precision.main_gradients == MainGradients::instead) meta.dtype = DType::f32;
      tape_.leaf(params_[id]->leaf).grad = tape_.empty(meta, Kind::weight_gradient);
    }
    if (!options_.cross_entropy) return;
    memory_.at({Label::kLoss, "targets", kNone});
    for (const auto id : graph_.outputs) targets_ = targets_ ? targets_ : make_targets(id);
  }

  // One class an output row; the token ids themselves where the model predicts tokens.
  Tensor make_targets(NodeId output) {
    const auto& shape = graph_.nodes[output].shape;
    const auto rows = (numel(shape) / std::max<std::uint64_t>(shape.at(-1), 1)).value();
    for (const auto input_id : graph_.inputs) {
      const auto& input = resident_.at(input_id);
      if (!is_floating(input->dtype) && numel(input->shape) == Count(rows))
        return Tape::view(input, {rows}, {1});
    }
    return tape_.empty(contiguous({rows}, DType::i64), Kind::input);
  }

  void forward() {
    memory_.begin(Phase::forward);
    tape_.set_recording(options_.training);
    aten_.set_autocast(options_.precision.autocast);
    for (NodeId id = 0; id < graph_.nodes.size();) {
      const auto* region = options_.training ? checkpoint_at(id) : nullptr;
      if (region != nullptr) {
        run_checkpoint(*region);
        id = region->end;
      } else {
        run_nodes(id, id + 1);
        ++id;
      }
    }
    for (const auto id : graph_.outputs) outputs_.push_back(values_[id]);
    values_.assign(values_.size(), nullptr);
    if (options_.training) make_loss();
    aten_.set_autocast(false);
    outputs_.clear();
    collect_saved();
    memory_.end_phase();
  }

  void make_loss() {
    if (!options_.cross_entropy) {
      roots_ = outputs_;
      return;
    }
    memory_.at({Label::kLoss, "cross_entropy", kNone});
    Tensors losses;
    for (const auto& output : outputs_) losses.push_back(aten_.cross_entropy(output, targets_));
    auto sum = losses[0];
    for (std::size_t i = 1; i < losses.size(); ++i) sum = aten_.add(sum, losses[i]);
    roots_ = {sum};
    losses.clear();
    memory_.mark();
  }

  void run_nodes(NodeId begin, NodeId end) {
    for (auto id = begin; id < end; ++id) {
      const auto& node = graph_.nodes[id];
      memory_.at({graph_.calls[node.call].module, name_of(node.op), kNone});
      if (!values_[id]) values_[id] = apply(id);
      for (const auto dead : dying_[id]) values_[dead] = nullptr;
      if (!is_leaf(node.op)) memory_.mark();
    }
  }

  const Region* checkpoint_at(NodeId id) const {
    for (const auto& region : options_.checkpoints)
      if (region.begin == id) return &region;
    return nullptr;
  }

  [[nodiscard]] std::vector<NodeId> inputs_of(const Region& region) const {
    std::vector<NodeId> ids;
    for (auto id = region.begin; id < region.end; ++id)
      for (const auto input : graph_.nodes[id].inputs)
        if (input < region.begin && std::find(ids.begin(), ids.end(), input) == ids.end())
          ids.push_back(input);
    return ids;
  }

  // Nothing is recorded inside; one node keeps the inputs and runs the region again.
  void run_checkpoint(const Region& region) {
    const auto ids = inputs_of(region);
    Tensors inputs;
    for (const auto id : ids) inputs.push_back(values_[id]);
    tape_.set_recording(false);
    run_nodes(region.begin, region.end);
    tape_.set_recording(true);
    std::vector<NodeId> out_ids;
    Tensors outs;
    for (auto id = region.begin; id < region.end; ++id) {
      if (!values_[id]) continue;
      out_ids.push_back(id);
      outs.push_back(values_[id]);
    }
    memory_.at({graph_.calls[graph_.nodes[region.end - 1].call].module, "checkpoint", kNone});
    // Parameters inside ask for gradients, even where no input does.
    auto asking = inputs;
    asking.push_back(trainable_in(region));
    tape_.record(outs, asking, inputs,
                 [this, region, ids, out_ids](Tensors& gradients, Tensors& saved) {
                   return run_again(region, ids, saved, out_ids, gradients);
                 });
  }

  [[nodiscard]] Tensor trainable_in(const Region& region) const {
    for (auto id = region.begin; id < region.end; ++id)
      for (const auto param : graph_.nodes[id].params)
        if (param != kNone && params_[param]->leaf != kNoNode) return params_[param];
    return nullptr;
  }

  Tensors run_again(const Region& region, const std::vector<NodeId>& ids, const Tensors& saved,
                    const std::vector<NodeId>& out_ids, Tensors& gradients) {
    const auto first = static_cast<std::uint32_t>(tape_.nodes().size());
    Tensors inputs;
    for (const auto& x : saved) inputs.push_back(detached(x));
    for (std::size_t i = 0; i < ids.size(); ++i) values_[ids[i]] = inputs[i];
    aten_.set_autocast(options_.precision.autocast);
    run_nodes(region.begin, region.end);
    aten_.set_autocast(false);
    for (const auto id : ids) values_[id] = nullptr;
    Tensors outs;
    for (const auto id : out_ids) outs.push_back(std::exchange(values_[id], nullptr));
    tape_.backward(outs, gradients, first);
    Tensors results;
    for (const auto& x : inputs)
      results.push_back(x && x->leaf != kNoNode ? std::move(tape_.leaf(x->leaf).grad) : nullptr);
    return results;
  }

  Tensor detached(const Tensor& x) {
    if (!x || !is_floating(x->dtype) || x->node == kNoNode) return x;
    return tape_.make_leaf(x->storage, *x, Kind::activation_gradient);
  }

  void backward() {
    memory_.begin(Phase::backward);
    tape_.after_node = [this] { memory_.mark(); };
    Tensors gradients;
    for (const auto& root : roots_) {
      memory_.at({Label::kLoss, "backward", kNone});
      gradients.push_back(
          tape_.empty(contiguous(root->shape, root->dtype), Kind::activation_gradient));
    }
    tape_.backward(roots_, gradients, 0);
    gradients.clear();
    memory_.end_phase();
  }

  void collect_saved() {
    std::unordered_set<const Storage*> counted;
    for (const auto& node : tape_.nodes())
      for (const auto& x : node.saved) {
        if (!x) continue;
        const auto* s = x->storage.get();
        if (s->kind() == Kind::weight || s->kind() == Kind::buffer) continue;
        if (!counted.insert(s).second) continue;
        step_.saved.push_back({node.label, s->kind(), s->bytes()});
      }
  }

  [[nodiscard]] Tensor param(const Node& node, std::size_t i) const {
    return node.params[i] == kNone ? nullptr : params_[node.params[i]];
  }

  void update();
  void update_one(Count bytes, StoragePtr& bound);
  Tensor apply(NodeId id);
  Tensor apply_slice(NodeId id, const op::Slice& slice);
  Tensor apply_binary(op::BinaryKind kind, const Tensor& a, const Tensor& b);
  Tensor apply_conv(const Node& node, const op::Conv& conv);
  Tensor apply_activation(op::ActivationKind kind, const Tensor& x);

  const Graph& graph_;
  const StepOptions& options_;
  Memory memory_;
  Tape tape_;
  Aten aten_;
  std::vector<std::vector<NodeId>> dying_;
  Tensors values_;
  Tensors params_;
  std::unordered_map<NodeId, Tensor> resident_;  // inputs and constants
  StoragePtr kv_cache_;
  std::vector<StoragePtr> states_;
  Tensor targets_;
  Tensors outputs_;
  Tensors roots_;
  Step step_;
};

Tensor Runner::apply_slice(NodeId id, const op::Slice& slice) {
  const auto& node = graph_.nodes[id];
  const auto& x = values_[node.inputs[0]];
  const auto axis = x->shape.index(slice.axis);
  if (!slice.piece) return aten_.index(x, axis, slice.length, slice.select);
  // All pieces come from one call.
  std::vector<NodeId> ids;
  std::vector<std::uint64_t> lengths;
  for (auto i = id; i < graph_.nodes.size(); ++i) {
    const auto* sibling = std::get_if<op::Slice>(&graph_.nodes[i].op);
    if (sibling == nullptr || !sibling->piece || sibling->axis != slice.axis ||
        graph_.nodes[i].inputs != node.inputs)
      break;
    ids.push_back(i);
    lengths.push_back(sibling->length);
  }
  const auto pieces = aten_.split(x, axis, lengths, slice.select);
  for (std::size_t i = 0; i < ids.size(); ++i) values_[ids[i]] = pieces[i];
  return pieces[0];
}

Tensor Runner::apply_binary(op::BinaryKind kind, const Tensor& a, const Tensor& b) {
  switch (kind) {
    case op::BinaryKind::add:
      return aten_.add(a, b);
    case op::BinaryKind::sub:
      return aten_.sub(a, b);
    case op::BinaryKind::mul:
      return aten_.mul(a, b);
    case op::BinaryKind::div:
      return aten_.div(a, b);
  }
  return nullptr;
}

Tensor Runner::apply_conv(const Node& node, const op::Conv& conv) {
  const auto weight = param(node, 0);
  Count columns = numel(weight->shape) / weight->shape[0];
  for (std::size_t d = 2; d < node.shape.rank(); ++d) columns *= node.shape[d];
  const Aten::ConvShape shape{node.shape, std::max(conv.kernel[0], conv.kernel[1]),
                              (columns * size_of(weight->dtype)).value()};
  return aten_.conv(values_[node.inputs[0]], weight, param(node, 1), shape);
}

Tensor Runner::apply_activation(op::ActivationKind kind, const Tensor& x) {
  // x * sigmoid(1.702 x) and relu(x)^2 are several ops.
  if (kind == op::ActivationKind::quick_gelu)
    return aten_.mul(x, aten_.activation(aten_.scale(x), Aten::Keeps::output));
  auto y = aten_.activation(x, keeps_of(kind));
  return kind == op::ActivationKind::relu_squared ? aten_.activation(y, Aten::Keeps::input) : y;
}

Tensor Runner::apply(NodeId id) {
  const auto& node = graph_.nodes[id];
  const auto in = [&](std::size_t i) -> const Tensor& { return values_[node.inputs[i]]; };
  return std::visit(
      Overloaded{
          [&](const op::Input&) { return resident_.at(id); },
          [&](const op::Parameter&) { return param(node, 0); },
          [&](const op::Constant&) { return resident_.at(id); },
          [&](const op::Linear& o) {
            const auto bias = node.inputs.size() > 1 ? in(1) : param(node, 1);
            return aten_.linear(in(0), param(node, 0), bias, 1, o.transposed);
          },
          [&](const op::ExpertLinear&) {
            return aten_.expert_linear(in(0), param(node, 0), param(node, 1), node.shape);
          },
          [&](const op::Conv& o) { return apply_conv(node, o); },
          [&](const op::MatMul&) { return aten_.matmul(in(0), in(1)); },
          [&](const op::Sdpa&) {
            const auto bias = node.inputs.size() > 3 ? in(3) : nullptr;
            return aten_.sdpa(in(0), in(1), in(2), bias, {node.shape, node.strides, node.dtype, 1});
          },
          [&](const op::Binary& o) { return apply_binary(o.kind, in(0), in(1)); },
          [&](const op::Scale&) { return aten_.scale(in(0)); },
          [&](const op::Activation& o) { return apply_activation(o.kind, in(0)); },
          [&](const op::Softmax&) { return aten_.softmax(in(0)); },
          [&](const op::TopK&) { return aten_.topk(in(0), node.shape); },
          [&](const op::MaskedFill&) { return aten_.masked_fill(in(0), in(1)); },
          [&](const op::LayerNorm&) {
            return aten_.layer_norm(in(0), param(node, 0), param(node, 1));
          },
          [&](const op::RmsNorm&) { return aten_.rms_norm(in(0), param(node, 0)); },
          [&](const op::Dropout&) { return aten_.dropout(in(0)); },
          [&](const op::DropPath&) { return aten_.drop_path(in(0)); },
          [&](const op::Concat&) {
            Tensors xs;
            for (const auto input : node.inputs) xs.push_back(values_[input]);
            return aten_.concat(std::move(xs), node.shape);
          },
          [&](const op::Reshape& o) { return aten_.reshape(in(0), o.shape); },
          [&](const op::Expand& o) { return aten_.expand(in(0), o.shape); },
          [&](const op::Permute& o) { return aten_.permute(in(0), o.order); },
          [&](const op::Slice& o) { return apply_slice(id, o); },
          [&](const op::Copy& o) { return o.implied ? in(0) : aten_.contiguous(in(0)); },
          [&](const op::Roll&) { return aten_.roll(in(0)); },
          [&](const op::Reduce& o) {
            return aten_.reduce(in(0), node.shape, o.kind == op::ReduceKind::max);
          },
          [&](const op::Embedding&) { return aten_.embedding(in(0), param(node, 0), node.shape); },
          [&](const op::Gather&) { return aten_.gather(in(0), node.shape); },
          [&](const op::Rope&) { return aten_.rope(in(0), in(1)); },
      },
      node.op);
}

// The single-tensor loops of torch.optim, parameter by parameter; temporaries alone.
void Runner::update() {
  memory_.begin(Phase::optimizer);
  std::vector<StoragePtr> main_gradients;
  if (options_.precision.main_gradients == MainGradients::at_step)
    for (const auto& param : graph_.params)
      if (param.trainable && !param.buffer)
        main_gradients.push_back(
            memory_.allocate(numel(param) * size_of(DType::f32), Kind::weight_gradient));
  StoragePtr bound;  // AdamW's `denom` keeps its value until the next parameter's
  const auto order =
      options_.optimizer.updates ? parameters_in_order(graph_) : std::vector<ParamId>{};
  for (const auto id : order) {
    const auto& param = graph_.params[id];
    if (param.buffer || !param.trainable || !tape_.leaf(params_[id]->leaf).grad) continue;
    memory_.at({param.module, options_.optimizer.name, id});
    update_one(numel(param) * size_of(options_.precision.states), bound);
    memory_.mark();
  }
  bound = nullptr;
  memory_.end_phase();
  roots_.clear();  // the name `loss` outlives the step
}

void Runner::update_one(Count bytes, StoragePtr& bound) {
  const auto temporary = [&](Count size) { return memory_.allocate(size, Kind::workspace); };
  // On the CPU a Python number takes a double, and its value in the compute type for the call.
  const auto number = [&](DType type) {
    return options_.settings.device == Device::cpu ? temporary(size_of(type)) : nullptr;
  };
  StoragePtr gradient;
  if (options_.precision.master_weights && options_.precision.main_gradients == MainGradients::none)
    gradient = temporary(bytes);  // in the master weights' type
  switch (options_.optimizer.temporaries) {
    case StepTemporaries::none:
      return;
    case StepTemporaries::adam: {
      const auto root = temporary(bytes);
      const auto correction = number(DType::f64);
      auto converted = number(DType::f32);
      auto denominator = temporary(bytes);
      bound = std::move(denominator);
      return;
    }
    case StepTemporaries::two: {
      const auto first = temporary(bytes);
      const auto second = temporary(bytes);
      return;
    }
  }
}

}  // namespace

const Peak& Step::highest() const {
  return *std::max_element(peaks.begin(), peaks.end(),
                           [](const Peak& a, const Peak& b) { return a.bytes < b.bytes; });
}

Count gradient_bytes(const Param& param, const Precision& precision) {
  switch (precision.main_gradients) {
    case MainGradients::none:
      return numel(param) * size_of(precision.weights);
    case MainGradients::instead:
      return numel(param) * size_of(DType::f32);
    case MainGradients::at_step:
      return numel(param) * (size_of(precision.weights) + size_of(DType::f32));
  }
  return 0;
}

Count optimizer_bytes(const Param& param, const StepOptions& options) {
  const auto master =
      options.precision.master_weights ? numel(param) * size_of(DType::f32) : Count(0);
  return master + state_bytes(options.optimizer, param.shape, options.precision.states);
}

Count kv_cache_bytes(const Graph& graph, const StepOptions& options) {
  const auto dtype = options.precision.autocast ? options.settings.autocast.value_or(DType::f32)
                                                : options.precision.weights;
  Count bytes;
  for (const auto& cache : graph.kv_caches) {
    Count tokens = cache.source_tokens > 0 ? cache.source_tokens : graph.num_tokens;
    if (cache.window > 0) tokens = std::min(tokens, Count(cache.window));
    bytes += tokens * graph.batch * (Count(cache.key) + cache.value) * size_of(dtype);
  }
  return bytes;
}

Step run_step(const Graph& graph, const StepOptions& options) {
  auto step = Runner(graph, options, 0).run();
  if (!options.composition) return step;
  return Runner(graph, options, step.highest().moment).run();
}

}  // namespace vitals::eager
