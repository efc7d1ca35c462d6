// Mixtures of experts as a library's loop runs them (transformers up to 4.57, MixtralSparseMoeBlock
// and its kin): each expert takes the rows that chose it, and adds its weighted answers to a sum.
// As many rows for each expert are assumed.
#include "memory/simulator/interpreter.h"

#include <algorithm>
#include <unordered_map>

namespace vitals::eager {
namespace {

const op::ExpertLinear* expert_linear(const Node& node) {
  return std::get_if<op::ExpertLinear>(&node.op);
}

}  // namespace

void Interpreter::find_expert_loops() {
  for (const auto& call : graph_.calls)
    if (graph_.modules[call.module].role == Role::experts)
      if (const auto loop = expert_loop(call)) expert_loops_.push_back(*loop);
  std::sort(expert_loops_.begin(), expert_loops_.end(),
            [](const ExpertLoop& a, const ExpertLoop& b) { return a.begin < b.begin; });
}

// Frozen experts of a ModuleList, whose answers are weighed by the router and summed.
std::optional<Interpreter::ExpertLoop> Interpreter::expert_loop(const Call& call) const {
  if (call.inputs.size() != 2 || call.outputs.size() != 1) return std::nullopt;
  ExpertLoop loop{call.begin, call.end, 0, call.inputs[0], call.inputs[1], 1, 1};
  for (auto id = call.begin; id < call.end; ++id) {
    const auto& node = graph_.nodes[id];
    const auto* linear = expert_linear(node);
    if (linear == nullptr) continue;
    const auto& weight = graph_.params[node.params[0]];
    if (linear->transposed || learns(weight) || node.params[1] != kNone) return std::nullopt;
    loop.experts = linear->experts;
    loop.active = linear->active;
  }
  const auto reads = [&](NodeId id, NodeId value) {
    const auto& inputs = graph_.nodes[id].inputs;
    return std::find(inputs.begin(), inputs.end(), value) != inputs.end();
  };
  auto value = call.outputs[0];
  for (auto id = call.end; id < graph_.nodes.size() && graph_.nodes[id].call != 0; ++id) {
    if (!reads(id, value)) continue;
    value = id;
    if (!std::holds_alternative<op::Reduce>(graph_.nodes[id].op)) continue;
    loop.sum = id;
    return loop;
  }
  return std::nullopt;
}

const Interpreter::ExpertLoop* Interpreter::loop_at(NodeId id) const {
  const auto next =
      std::upper_bound(expert_loops_.begin(), expert_loops_.end(), id,
                       [](NodeId n, const ExpertLoop& loop) { return n < loop.begin; });
  if (next == expert_loops_.begin()) return nullptr;
  const auto& loop = *std::prev(next);
  return id <= loop.sum ? &loop : nullptr;
}

// expert_mask (int64, one-hot) and the sum are there for the whole loop.
void Interpreter::run_experts(const ExpertLoop& loop) {
  auto& tape = aten_.tape();
  const auto rows = values_[loop.rows];
  const auto count = rows->shape[0];
  const auto weights = aten_.to(values_[loop.choice], rows->dtype);
  const auto mask = tape.empty(contiguous({count, loop.active, loop.experts}, DType::i64));
  auto sum = tape.empty(contiguous(rows->shape, rows->dtype, rows->split));
  const auto each = (count * loop.active + loop.experts - 1) / loop.experts;
  for (std::uint64_t expert = 0; expert < loop.experts; ++expert) {
    const auto taken = aten_.take_rows(rows, each);
    const auto answer = run_expert(loop, taken);
    const auto flat = aten_.reshape(weights, {count * loop.active, 1});
    const auto weight = aten_.take_rows(flat, each);
    const auto weighed = aten_.mul(answer, weight);
    sum = aten_.add_rows(sum, aten_.to(weighed, rows->dtype));
  }
  values_[loop.sum] = sum;
}

// The nodes of the experts' module on the rows of one of them.
Tensor Interpreter::run_expert(const ExpertLoop& loop, const Tensor& rows) {
  std::unordered_map<NodeId, Tensor> values{{loop.rows, rows}};
  const auto in = [&](const Node& node, std::size_t i) { return values.at(node.inputs[i]); };
  Tensor last;
  for (auto id = loop.begin; id < loop.end; ++id) {
    const auto& node = graph_.nodes[id];
    aten_.tape().memory().at({graph_.calls[node.call].module, name_of(node.op), kNone});
    if (const auto* linear = expert_linear(node)) {
      const auto& stack = param(node, 0);
      const auto weight = Tape::view(stack, {linear->out, linear->in},
                                     contiguous_strides({linear->out, linear->in}));
      const auto x = in(node, 0);
      auto output = x->shape;
      output[output.rank() - 1] = linear->out;
      last = variants_.is_packed(node.params[0])
                 ? aten_.packed_linear(x, weight, nullptr, output, {1, variants_.unpacked, false})
                 : aten_.linear(x, weight, nullptr, {});
    } else if (const auto* activation = std::get_if<op::Unary>(&node.op)) {
      last = apply_unary(node, activation->kind, in(node, 0));
    } else if (const auto* binary = std::get_if<op::Binary>(&node.op)) {
      last = apply_binary(node, binary->kind, in(node, 0), in(node, 1));
    }
    values[id] = last;
  }
  return last;
}

}  // namespace vitals::eager
