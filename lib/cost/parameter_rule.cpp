#include "cost/parameter_rule.h"

#include "graph/blocks.h"

#include <algorithm>

namespace vitals {
namespace {

constexpr const char* kSource = "Shoeybi et al. 2019, arXiv:1909.08053, and the field";

// Which modules stand inside one of the stack's layers.
std::vector<bool> inside_layers(const Graph& graph) {
  std::vector<bool> inside(graph.modules.size());
  for (const auto call : block_calls(graph)) inside[graph.calls[call].module] = true;
  for (ModuleId id = 1; id < inside.size(); ++id)
    if (inside[graph.modules[id].parent]) inside[id] = true;
  return inside;
}

// The table of tokens that the rule's Vh stands for.
ParamId token_table(const Graph& graph, const PlainStack& stack) {
  for (const auto& node : graph.nodes) {
    const auto* table = std::get_if<op::Embedding>(&node.op);
    if (table != nullptr && table->rows == stack.vocab && table->dim == stack.hidden)
      return node.params[0];
  }
  return kNone;
}

ExplainedTerm term(const char* part, const Formula& formula) {
  return {part, formula.symbols(), formula.numbers(), formula.value(), kSource};
}

}  // namespace

std::optional<ExplainedQuantity> parameter_rule(const Graph& graph) {
  if (!graph.plain_stack) return std::nullopt;
  const auto& stack = *graph.plain_stack;
  const auto inside = inside_layers(graph);
  const auto table = token_table(graph, stack);
  Count in_layers;
  std::vector<Count> left_out(graph.modules.size());
  ExplainedQuantity all{"params_rule", "parameters", {}, {}};
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    const auto& param = graph.params[id];
    if (param.buffer) continue;
    all.value += numel(param);
    if (inside[param.module])
      in_layers += numel(param);
    else if (id != table)
      left_out[param.module] += numel(param);
  }

  const Formula::Factor l{"l", stack.layers};
  const Formula::Factor h{"h", stack.hidden};
  Formula rule{l, {nullptr, 12}, h, h};
  rule.plus({l, {nullptr, 13}, h});
  if (in_layers < rule.value()) return std::nullopt;
  all.terms.push_back(term("layers", rule));
  if (table != kNone) all.terms.push_back(term("tokens", Formula{{"V", stack.vocab}, h}));
  if (in_layers > rule.value())
    all.terms.push_back({"left out: inside the layers", "", "", in_layers - rule.value(), "below"});
  for (ModuleId id = 0; id < left_out.size(); ++id) {
    if (left_out[id] == Count(0)) continue;
    const auto& path = graph.modules[id].path;
    all.terms.push_back({"left out: " + (path.empty() ? std::string("the model's own") : path), "",
                         "", left_out[id], "below"});
  }
  return all;
}

}  // namespace vitals
