#include "memory/simulator/step.h"

#include "cost/rollup.h"
#include "memory/simulator/gather.h"
#include "memory/simulator/interpreter.h"
#include "memory/simulator/update.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace vitals::eager {
namespace {

class Runner {
 public:
  Runner(const Graph& graph, const StepOptions& options, std::uint64_t watch)
      : graph_(graph),
        options_(options),
        begin_(options.stage.begin),
        end_(options.stage.end == 0 ? static_cast<NodeId>(graph.nodes.size()) : options.stage.end),
        memory_(watch, options.stack.block),
        gatherer_(graph, options, memory_),
        tape_(memory_),
        aten_(tape_, options.settings),
        interpreter_(graph, aten_, options.tensor, variants(options)) {
    if (options.fsdp > 0)
      gatherer_.on_leave = [this](const std::vector<ParamId>& params) { reduce(params); };
    if (options.offload.activations) tape_.offload_saved();
    for (const auto& region : options.checkpoints) regions_[region.begin] = region;
    interpreter_.before_op = [this](CallId call) { gatherer_.enter(graph_.calls[call].module); };
  }

  Step run() {
    if (options_.allocator) memory_.keep_log();
    if (options_.record) memory_.keep_record();
    make_params();
    make_leaves();
    if (options_.training) make_training_state();
    memory_.at({0, "cuBLAS workspaces", kNone});
    const auto workspaces = memory_.allocate(
        options_.settings.device == Device::cuda ? options_.stack.workspaces : 0, Kind::workspace);
    memory_.at({0, "micro-batches that wait", kNone});
    const auto waiting = memory_.allocate(options_.waiting, Kind::activation);
    step_.start = memory_.by_kind();
    for (const auto id : graph_.inputs) {
      const auto& resident = interpreter_.resident();
      if (const auto it = resident.find(id); it != resident.end())
        step_.inputs.push_back(it->second->storage->bytes());
    }
    forward();
    if (options_.training) {
      backward();
      update();
    }
    step_.peaks = memory_.peaks();
    step_.points = memory_.points();
    step_.most_temporary = memory_.most_temporary();
    step_.composition = memory_.watched();
    if (options_.allocator) step_.allocator = needed_by_allocator();
    if (options_.record) step_.record = {memory_.log(), memory_.made()};
    return std::move(step_);
  }

 private:
  // What is live at the peak is the least that it can need.
  [[nodiscard]] Count needed_by_allocator() const {
    const auto peak = step_.highest().bytes;
    if (options_.budget && peak > *options_.budget) return peak;
    return least_capacity(memory_.log(), options_.budget);
  }

  static Variants variants(const StepOptions& o) {
    return {[&o](ParamId id) { return o.packed.is_packed(id); },
            o.packed.unpacked,
            o.fused_norm,
            o.fused_lora,
            o.stack.inputs_require_grad,
            o.stack.loops_over_experts};
  }

  // Weights and registered buffers.
  void make_params() {
    const auto used = used_params(graph_, options_.stage);
    for (ParamId id = 0; id < graph_.params.size(); ++id) {
      const auto& param = graph_.params[id];
      memory_.at({param.module, "parameter", id});
      const bool packed = options_.packed.is_packed(id);
      auto dtype = compute_dtype(graph_, id, options_);
      if (packed) dtype = options_.settings.autocast.value_or(dtype);
      const auto meta = contiguous(param.shape, dtype, options_.tensor.split(id));
      const auto bytes = used[id] ? weight_bytes(graph_, id, options_) : Count(0);
      auto storage = memory_.allocate(bytes, param.buffer ? Kind::buffer : Kind::weight);
      const bool learns = !param.buffer && !packed && (param.trainable || !options_.training);
      auto tensor = learns ? tape_.make_leaf(std::move(storage), meta, Kind::weight_gradient)
                           : tensor_on(std::move(storage), meta);
      // FSDP cuts the gradients of a whole unit when that is done.
      if (learns && options_.fsdp == 0) tape_.leaf(tensor->leaf).shards = options_.zero.parts(2);
      if (learns) tape_.leaf(tensor->leaf).on_host = gradients_on_host(graph_, id, options_);
      if (learns && used[id]) learning_.push_back(id);
      interpreter_.params().push_back(std::move(tensor));
    }
  }

  static Tensor tensor_on(StoragePtr storage, const Meta& meta) {
    auto impl = std::make_shared<TensorImpl>();
    static_cast<Meta&>(*impl) = meta;
    impl->storage = std::move(storage);
    return impl;
  }

  // The batch, constants, and keys and values of earlier tokens.
  void make_leaves() {
    memory_.at({0, "kv_cache", kNone});
    StoragePtr cache;
    if (!options_.training)
      cache = memory_.allocate(kv_cache_bytes(graph_, options_), Kind::kv_cache);
    const auto needed = boundary();
    const auto read = read_nodes();
    for (NodeId id = 0; id < end_; ++id) {
      const auto& node = graph_.nodes[id];
      if (id < begin_ && needed.count(id) == 0) continue;
      memory_.at({graph_.calls[node.call].module, name_of(node.op), kNone});
      // Masks and tables are made once; ids of positions anew in every forward pass.
      if (const auto* constant = std::get_if<op::Constant>(&node.op)) {
        if (!read[id])
          interpreter_.resident()[id] =
              tensor_on(memory_.allocate(0, Kind::buffer), contiguous(node.shape, node.dtype));
        else if (constant->dtype != DType::i64)
          make_resident(id, Kind::buffer);
      }
      if (!std::holds_alternative<op::Input>(node.op)) continue;
      const bool given =
          std::find(graph_.inputs.begin(), graph_.inputs.end(), id) != graph_.inputs.end();
      if (given) {
        make_resident(id, Kind::input);
      } else {
        interpreter_.resident()[id] =
            tensor_on(cache, contiguous(node.shape, options_.precision.weights));
      }
    }
    cache_ = std::move(cache);
  }

  // A constant that no op reads is not made: fused attention knows a causal mask by itself.
  [[nodiscard]] std::vector<bool> read_nodes() const {
    std::vector<bool> read(graph_.nodes.size());
    for (const auto& node : graph_.nodes)
      for (const auto input : node.inputs) read[input] = true;
    return read;
  }

  // Floating data comes in the weights' type.
  void make_resident(NodeId id, Kind kind) {
    const auto& node = graph_.nodes[id];
    const auto dtype = is_floating(node.dtype) ? options_.precision.weights : node.dtype;
    interpreter_.resident()[id] = tape_.empty(contiguous(node.shape, dtype), kind);
  }

  // What the stage uses of the nodes before it.
  [[nodiscard]] std::set<NodeId> boundary() const {
    std::set<NodeId> ids;
    for (auto id = begin_; id < end_; ++id)
      for (const auto input : graph_.nodes[id].inputs)
        if (input < begin_) ids.insert(input);
    return ids;
  }

  void make_training_state() {
    const bool instead = options_.precision.main_gradients == MainGradients::instead;
    for (const auto id : learning_) {
      const auto& param = graph_.params[id];
      memory_.at({param.module, "optimizer", id});
      states_.push_back(memory_.allocate(optimizer_bytes(graph_, id, options_), Kind::optimizer));
      if (!options_.keep_gradients && !instead) continue;
      auto meta = contiguous(param.shape, instead ? DType::f32 : options_.precision.weights);
      meta.split = options_.tensor.split(id) * options_.zero.parts(2);
      tape_.leaf(interpreter_.params()[id]->leaf).grad = tape_.empty(meta, Kind::weight_gradient);
    }
    if (!makes_loss()) return;
    memory_.at({Label::kLoss, "targets", kNone});
    if (!graph_.outputs.empty()) targets_ = make_targets(graph_.outputs[0]);
    if (!options_.stack.batch_has_labels || !is_causal()) return;
    const auto ids = contiguous(graph_.nodes[graph_.inputs[0]].shape, DType::i64);
    batch_ = {tape_.empty(ids, Kind::input), tape_.empty(ids, Kind::input)};
  }

  [[nodiscard]] bool makes_loss() const {
    return options_.loss != Loss::none && end_ == graph_.nodes.size();
  }

  // Logits of every token of the input.
  [[nodiscard]] bool is_causal() const {
    if (graph_.outputs.size() != 1 || graph_.inputs.empty()) return false;
    const auto& logits = graph_.nodes[graph_.outputs[0]].shape;
    const auto& ids = graph_.nodes[graph_.inputs[0]];
    return !is_floating(ids.dtype) && logits.rank() == 3 && ids.shape.rank() == 2 &&
           logits[0] == ids.shape[0] && logits[1] == ids.shape[1] && logits[1] > 1;
  }

  [[nodiscard]] NodeId head() const {
    const auto id = head_of(graph_);
    if (!id) fail("a loss that is fused with the head: {} ends in no linear layer", graph_.model);
    return *id;
  }

  void keep_names(NodeId head_node) {
    named_.push_back(interpreter_.value(graph_.nodes[head_node].inputs[0]));
    for (const auto id : graph_.calls[0].locals) named_.push_back(interpreter_.value(id));
  }

  // transformers' models compute the loss in their forward.
  [[nodiscard]] NodeId named_until_loss() const {
    const bool library = options_.loss == Loss::hf || options_.loss == Loss::fast;
    return options_.training && makes_loss() && library && is_causal() ? head() : kNone;
  }

  [[nodiscard]] bool fuses_head() const {
    return options_.training && makes_loss() && options_.loss == Loss::fused_linear && is_causal();
  }

  // One class an output row; the token ids themselves where the model predicts tokens.
  Tensor make_targets(NodeId output) {
    const auto& shape = graph_.nodes[output].shape;
    const auto rows = (numel(shape) / std::max<std::uint64_t>(shape.at(-1), 1)).value();
    for (const auto input_id : graph_.inputs) {
      const auto it = interpreter_.resident().find(input_id);
      if (it == interpreter_.resident().end()) continue;
      const auto& input = it->second;
      if (!is_floating(input->dtype) && numel(input->shape) == Count(rows))
        return Tape::view(input, {rows}, {1});
    }
    return tape_.empty(contiguous({rows}, DType::i64), Kind::input);
  }

  void forward() {
    memory_.begin(Phase::forward);
    gatherer_.begin();
    tape_.set_recording(options_.training);
    aten_.set_autocast(options_.precision.autocast);
    receive();
    const auto end = fuses_head() ? head() : end_;
    const auto named = named_until_loss();
    for (auto id = begin_; id < end;) {
      const auto region = regions_.find(id);
      if (options_.training && region != regions_.end() && region->second.end <= end_) {
        run_checkpoint(region->second);
        id = region->second.end;
      } else {
        // The model's forward computes the loss: its name for the hidden states lives until then.
        if (id == named) keep_names(id);
        interpreter_.run(id, id + 1);
        ++id;
      }
    }
    collect_outputs();
    interpreter_.forget_values();
    if (options_.training) make_loss();
    named_.clear();
    aten_.set_autocast(false);
    outputs_.clear();
    collect_saved();
    memory_.end_phase();
  }

  // A later pipeline stage gets activations from the one before.
  void receive() {
    for (const auto id : boundary()) {
      const auto& node = graph_.nodes[id];
      memory_.at({graph_.calls[node.call].module, "receive", kNone});
      if (is_leaf(node.op)) {
        interpreter_.run(id, id + 1);
        continue;
      }
      auto meta = contiguous(node.shape, node.dtype);
      if (!options_.precision.autocast) meta.dtype = options_.precision.weights;
      if (options_.tensor.sequence) meta.split = options_.tensor.ranks;
      interpreter_.value(id) = tape_.make_leaf(memory_.allocate(bytes_of(meta), Kind::activation),
                                               meta, Kind::activation_gradient);
    }
  }

  void collect_outputs() {
    if (fuses_head()) {
      outputs_.push_back(interpreter_.value(graph_.nodes[head()].inputs[0]));
      return;
    }
    if (end_ == graph_.nodes.size()) {
      for (const auto id : graph_.outputs) outputs_.push_back(interpreter_.value(id));
      return;
    }
    for (auto id = begin_; id < end_; ++id)
      if (const auto& value = interpreter_.value(id); tape_.needs_grad(value))
        outputs_.push_back(value);
  }

  void make_loss() {
    if (!makes_loss()) {
      roots_ = outputs_;
      return;
    }
    memory_.at({Label::kLoss, "cross_entropy", kNone});
    Tensors losses;
    for (auto& output : outputs_) losses.push_back(loss_of(output));
    auto sum = losses[0];
    for (std::size_t i = 1; i < losses.size(); ++i) sum = aten_.add(sum, losses[i]);
    roots_ = {sum};
    losses.clear();
    memory_.mark();
  }

  // Causal losses fall back to cross-entropy where the model predicts no tokens, as the library's
  // classes for other tasks do.
  Tensor loss_of(Tensor& output) {
    if (!is_causal()) return aten_.cross_entropy(output, targets_);
    switch (options_.loss) {
      case Loss::hf:
      case Loss::fast:
        if (!options_.keeps_logits) output = aten_.to(output, DType::f32);
        return aten_.hf_loss(output, options_.loss == Loss::fast);
      case Loss::vocab_parallel:
        return aten_.vocab_parallel_loss(output, targets_);
      case Loss::chunked:
        return aten_.chunked_loss(output, targets_);
      case Loss::fused_linear:
        return aten_.fused_linear_loss(output,
                                       interpreter_.params()[graph_.nodes[head()].params[0]]);
      case Loss::none:
      case Loss::cross_entropy:
        break;
    }
    return aten_.cross_entropy(output, targets_);
  }

  [[nodiscard]] std::vector<NodeId> inputs_of(const NodeRange& region) const {
    std::set<NodeId> ids;
    for (auto id = region.begin; id < region.end; ++id)
      for (const auto input : graph_.nodes[id].inputs)
        if (input < region.begin) ids.insert(input);
    return {ids.begin(), ids.end()};
  }

  // Nothing is recorded inside; one node keeps the inputs and runs the region again.
  void run_checkpoint(const NodeRange& region) {
    const auto ids = inputs_of(region);
    Tensors inputs;
    for (const auto id : ids) inputs.push_back(interpreter_.value(id));
    tape_.set_recording(false);
    interpreter_.run(region.begin, region.end);
    tape_.set_recording(true);
    std::vector<NodeId> out_ids;
    Tensors outs;
    for (auto id = region.begin; id < region.end; ++id) {
      if (!interpreter_.value(id)) continue;
      out_ids.push_back(id);
      outs.push_back(interpreter_.value(id));
    }
    memory_.at({graph_.calls[graph_.nodes[region.begin].call].module, "checkpoint", kNone});
    // Parameters inside ask for gradients, even where no input does.
    auto asking = inputs;
    asking.push_back(learning_in(region));
    tape_.record(outs, asking, inputs,
                 [this, region, ids, out_ids](Tensors& gradients, Tensors& saved) {
                   return run_again(region, ids, saved, out_ids, gradients);
                 });
  }

  [[nodiscard]] Tensor learning_in(const NodeRange& region) {
    for (auto id = region.begin; id < region.end; ++id)
      for (const auto param : graph_.nodes[id].params)
        if (param != kNone && interpreter_.params()[param]->leaf != kNoNode)
          return interpreter_.params()[param];
    return nullptr;
  }

  Tensors run_again(const NodeRange& region, const std::vector<NodeId>& ids, const Tensors& saved,
                    const std::vector<NodeId>& out_ids, const Tensors& gradients) {
    const auto first = static_cast<std::uint32_t>(tape_.nodes().size());
    Tensors inputs;
    for (const auto& x : saved) inputs.push_back(detached(x));
    for (std::size_t i = 0; i < ids.size(); ++i) interpreter_.value(ids[i]) = inputs[i];
    aten_.set_autocast(options_.precision.autocast);
    interpreter_.run(region.begin, region.end);
    aten_.set_autocast(false);
    for (const auto id : ids) interpreter_.value(id) = nullptr;
    Tensors outs;
    for (const auto id : out_ids) outs.push_back(std::exchange(interpreter_.value(id), nullptr));
    tape_.backward(outs, gradients, first);
    // Gradients of what was cut off go on from here; those of leaves have arrived.
    Tensors results;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      results.push_back(inputs[i] != saved[i] ? std::move(tape_.leaf(inputs[i]->leaf).grad)
                                              : nullptr);
    if (holds_inputs(region))
      for (std::size_t i = 0; i < inputs.size(); ++i)
        if (results[i]) {
          held_.push_back(inputs[i]->storage);
          held_.push_back(results[i]->storage);
        }
    return results;
  }

  // torch/distributed/fsdp/_runtime_utils.py, _register_post_backward_reshard_only_hook: the hook
  // of a unit that trains nothing hangs on the unit's inputs, and keeps the AccumulateGrad nodes of
  // those that are leaves, with their variables and gradients, until the backward pass is over.
  // Adapters are units of their own (PEFT's policy).
  [[nodiscard]] bool holds_inputs(const NodeRange& region) const {
    if (options_.fsdp != 1) return false;
    for (auto id = region.begin; id < region.end; ++id)
      for (const auto param : graph_.nodes[id].params)
        if (param != kNone && vitals::learns(graph_.params[param]) && !graph_.params[param].adapter)
          return false;
    return true;
  }

  Tensor detached(const Tensor& x) {
    if (x->node == kNoNode && !tape_.is_activation_leaf(x)) return x;
    return tape_.make_leaf(x->storage, *x, Kind::activation_gradient);
  }

  // FSDP when a unit is done in the backward pass: its gradients become one flat one, which is
  // reduced and cut; under mixed precision the shard is then made as wide as the weights'.
  void reduce(const std::vector<ParamId>& unit) {
    if (!in_backward_) return;
    std::vector<ParamId> ready;
    Count flat_bytes;
    for (const auto id : unit) {
      const auto leaf = interpreter_.params()[id]->leaf;
      if (leaf == kNoNode || !tape_.leaf(leaf).grad || is_whole(graph_, id, options_)) continue;
      ready.push_back(id);
      flat_bytes += bytes_of(*tape_.leaf(leaf).grad);
    }
    if (ready.empty()) return;
    auto flat = memory_.allocate(flat_bytes, Kind::weight_gradient);
    for (const auto id : ready) tape_.leaf(interpreter_.params()[id]->leaf).grad = nullptr;
    const auto part_of_unit =
        memory_.allocate(part(flat_bytes, options_.zero.ranks), Kind::weight_gradient);
    for (const auto id : ready) {
      auto meta = contiguous(graph_.params[id].shape, stored_dtype(graph_, id, options_));
      meta.split = options_.tensor.split(id) * options_.zero.ranks;
      auto& gradient = tape_.leaf(interpreter_.params()[id]->leaf).grad;
      gradient = gradients_on_host(graph_, id, options_)
                     ? tensor_on(memory_.allocate(0, Kind::weight_gradient), meta)
                     : tape_.empty(meta, Kind::weight_gradient);
    }
  }

  void backward() {
    memory_.begin(Phase::backward);
    in_backward_ = true;
    tape_.before_node = [this] { gatherer_.enter(memory_.label().module); };
    tape_.after_node = [this] { memory_.mark(); };
    Tensors gradients;
    for (const auto& root : roots_) {
      memory_.at({Label::kLoss, "backward", kNone});
      gradients.push_back(tape_.empty(contiguous(root->shape, root->dtype, root->split),
                                      Kind::activation_gradient));
    }
    tape_.backward(roots_, gradients, 0);
    gradients.clear();
    gatherer_.end();
    held_.clear();
    in_backward_ = false;
    memory_.end_phase();
  }

  void collect_saved() {
    std::unordered_set<const Storage*> counted;
    for (const auto& node : tape_.nodes())
      for (const auto& x : node.saved) {
        if (!x || !x->storage) continue;
        const auto* s = x->storage.get();
        if (s->kind() == Kind::weight || s->kind() == Kind::buffer) continue;
        if (counted.insert(s).second)
          step_.saved.push_back({node.label, s->kind(), s->bytes(), *x, s->label()});
      }
  }

  void update() {
    memory_.begin(Phase::optimizer);
    std::vector<ParamId> updated;
    if (options_.optimizer.updates)
      for (const auto id : parameters_in_order(graph_)) {
        const auto leaf = interpreter_.params()[id]->leaf;
        if (leaf != kNoNode && tape_.leaf(leaf).grad) updated.push_back(id);
      }
    run_update(graph_, options_, updated, memory_);
    memory_.end_phase();
    roots_.clear();  // the name `loss` outlives the step
  }

  const Graph& graph_;
  const StepOptions& options_;
  NodeId begin_;
  NodeId end_;
  std::unordered_map<NodeId, NodeRange> regions_;
  Memory memory_;
  Gatherer gatherer_;
  Tape tape_;
  Aten aten_;
  Interpreter interpreter_;
  std::vector<ParamId> learning_;
  std::vector<StoragePtr> states_;
  StoragePtr cache_;
  Tensor targets_;
  Tensors named_;                 // until the loss is there: what enters the head, presents
  Tensors batch_;                 // attention mask and labels
  std::vector<StoragePtr> held_;  // until the backward pass ends
  bool in_backward_ = false;
  Tensors outputs_;
  Tensors roots_;
  Step step_;
};

}  // namespace

const Peak& Step::highest() const {
  return *std::max_element(peaks.begin(), peaks.end(),
                           [](const Peak& a, const Peak& b) { return a.bytes < b.bytes; });
}

std::optional<NodeId> head_of(const Graph& graph) {
  auto id = graph.outputs[0];
  while (std::holds_alternative<op::Scale>(graph.nodes[id].op) ||
         std::holds_alternative<op::Unary>(graph.nodes[id].op))
    id = graph.nodes[id].inputs[0];
  const auto& node = graph.nodes[id];
  if (!std::holds_alternative<op::Linear>(node.op) || node.params[0] == kNone) return std::nullopt;
  return id;
}

Step run_step(const Graph& graph, const StepOptions& options) {
  auto step = Runner(graph, options, 0).run();
  if (options.composition) {
    auto again = options;
    again.allocator = again.record = false;
    step.composition = Runner(graph, again, step.highest().moment).run().composition;
  }
  return step;
}

}  // namespace vitals::eager
