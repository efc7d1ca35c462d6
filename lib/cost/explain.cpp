#include "cost/explain.h"

#include "core/suggest.h"
#include "cost/arithmetic.h"
#include "cost/macs.h"
#include "cost/module_costs.h"
#include "cost/parameter_rule.h"
#include "cost/traffic.h"
#include "graph/op_traits.h"

#include <algorithm>

namespace vitals {
namespace {

using Words = std::vector<const char*>;

ExplainedTerm term(std::string part, const Formula& formula, std::string_view source) {
  return {std::move(part), formula.symbols(), formula.numbers(), formula.value(),
          std::string(source)};
}

// What an op calls the dimensions of its weight or bias.
Words words_for(const Op& op, bool weight, std::size_t rank) {
  Words words;
  if (const auto* linear = std::get_if<op::Linear>(&op)) {
    if (!weight) return {"out"};
    return linear->transposed ? Words{"in", "out"} : Words{"out", "in"};
  }
  if (const auto* experts = std::get_if<op::ExpertLinear>(&op)) {
    if (!weight) return {"experts", "out"};
    return experts->transposed ? Words{"experts", "in", "out"} : Words{"experts", "out", "in"};
  }
  if (std::holds_alternative<op::Conv>(op)) {
    if (!weight) return {"out"};
    const bool turned = std::get<op::Conv>(op).transposed;
    words = turned ? Words{"in", "out/groups"} : Words{"out", "in/groups"};
    if (rank == 3) words.push_back("k");
    if (rank == 5) words.push_back("kd");
    if (rank > 3) words.insert(words.end(), {"kh", "kw"});
    return words;
  }
  if (std::holds_alternative<op::Embedding>(op)) return {"rows", "dim"};
  return {"features"};
}

// A parameter's shape in the words of the op that uses it first; without such an op, in numbers.
Formula param_formula(const Graph& graph, ParamId id) {
  const auto& shape = graph.params[id].shape;
  Words words;
  for (const auto& node : graph.nodes)
    if (node.params[0] == id || node.params[1] == id) {
      words = words_for(node.op, node.params[0] == id, shape.rank());
      break;
    }
  words.resize(words.size() == shape.rank() ? shape.rank() : 0);
  std::vector<Formula::Factor> factors;
  for (std::size_t i = 0; i < shape.rank(); ++i)
    factors.push_back({words.empty() ? nullptr : words[i], shape[i]});
  if (factors.empty()) factors.push_back({nullptr, 1});
  return Formula{}.plus(factors);
}

std::vector<ExplainedTerm> child_terms(const Graph& graph, ModuleId module, const Rollup& rollup) {
  std::vector<ExplainedTerm> terms;
  const auto children = children_of(graph)[module];
  for (std::size_t i = 0; i < children.size();) {
    auto end = i + 1;
    const auto value = rollup.total[children[i]];
    while (end < children.size() && is_numbered(graph.modules[children[i]].path) &&
           is_numbered(graph.modules[children[end]].path) && rollup.total[children[end]] == value)
      ++end;
    const auto& first = graph.modules[children[i]].path;
    const std::uint64_t count = end - i;
    if (value > Count(0) && count == 1) terms.push_back({first, "", "", value, "below"});
    if (value > Count(0) && count > 1)
      terms.push_back({first + " ... " + graph.modules[children[end - 1]].path, "alike x one",
                       fmt::format("{} x {}", count, value), value * count, "below"});
    i = end;
  }
  return terms;
}

// Explains one module: its own terms are given, those of its children come from a rollup.
class ModuleExplainer {
 public:
  ModuleExplainer(const ExplainContext& context, ModuleId module)
      : context_(context), graph_(context.graph), module_(module) {}

  ExplainedQuantity params() const {
    const auto rollup = parameters(graph_);
    std::vector<ExplainedTerm> own;
    for (auto id : graph_.modules[module_].params)
      if (!graph_.params[id].buffer)
        own.push_back(term(graph_.params[id].name, param_formula(graph_, id), "its shape"));
    return quantity("params", "parameters", std::move(own), rollup);
  }

  ExplainedQuantity convention(const Convention& convention) const {
    std::vector<ExplainedTerm> own;
    convention.visit(graph_, [&](const CountedItem& item) {
      if (item.module == module_)
        own.push_back(term(std::string(item.kind), item.formula,
                           item.source.empty() ? convention.source : item.source));
    });
    return quantity(convention.name, convention.unit, std::move(own), roll_up(convention, graph_));
  }

  ExplainedQuantity training() const;
  ExplainedQuantity operations_done() const;
  ExplainedQuantity bytes() const;

 private:
  template <class F>
  void each_own_node(const Graph& graph, F&& visit) const {
    for (const auto& node : graph.nodes)
      if (graph.module_of(node).path == graph_.modules[module_].path) visit(node);
  }

  ExplainedQuantity quantity(std::string_view name, std::string_view unit,
                             std::vector<ExplainedTerm> own, const Rollup& rollup) const {
    return explained_quantity(graph_, module_, name, unit, std::move(own), rollup);
  }

  const ExplainContext& context_;
  const Graph& graph_;
  ModuleId module_;
};

ExplainedQuantity ModuleExplainer::training() const {
  const auto& graph = context_.training;
  std::vector<ExplainedTerm> own;
  visit_training(graph, context_.checkpoint, [&](const Node& node, const TrainingFormulas& f) {
    if (graph.module_of(node).path != graph_.modules[module_].path) return;
    auto part = [&](const char* what, const Formula& formula, const char* source) {
      if (!formula.empty())
        own.push_back(term(fmt::format("{}, {}", name_of(node.op), what), formula, source));
    };
    part("forward", f.forward, "2 x MACs");
    part("gradient of activations", f.grad_input, "dX = dY W: the forward products, transposed");
    part("gradient of the weight", f.grad_weight, "dW = dY^T X: the forward products, transposed");
    part("run again", f.recompute, "results that were not kept");
  });
  return quantity("training_flops", "FLOPs", std::move(own),
                  training_by_module(graph, context_.checkpoint, graph_));
}

ExplainedQuantity ModuleExplainer::operations_done() const {
  std::vector<ExplainedTerm> own;
  each_own_node(graph_, [&](const Node& node) {
    const auto a = arithmetic(graph_, node);
    const auto what = definition(node.op);
    for (const auto& kind : kArithmeticKinds)
      if (const auto& formula = a.*kind.member; !formula.empty())
        own.push_back(term(fmt::format("{}, {}", name_of(node.op), kind.name), formula,
                           fmt::format("{}: {}", what.source, what.formula)));
  });
  const auto rollup =
      roll_up_nodes(graph_, [&](const Node& node) { return operations(arithmetic(graph_, node)); });
  return quantity("operations", "operations", std::move(own), rollup);
}

ExplainedQuantity ModuleExplainer::bytes() const {
  std::vector<ExplainedTerm> own;
  each_own_node(graph_, [&](const Node& node) {
    const auto t = traffic(graph_, node);
    const std::string name(name_of(node.op));
    if (!t.read.empty()) own.push_back(term(name + ", read", t.read, "each operand once"));
    if (!t.written.empty()) own.push_back(term(name + ", written", t.written, "each result once"));
  });
  return quantity("bytes", "bytes", std::move(own), module_costs(graph_).bytes);
}

std::vector<std::string> known_paths(const Graph& graph) {
  std::vector<std::string> paths;
  for (const auto& module : graph.modules) paths.push_back(module.path);
  for (const auto& param : graph.params) paths.push_back(path_of(graph, param));
  return paths;
}

Explanation explain_param(const Graph& graph, ParamId id) {
  const auto formula = param_formula(graph, id);
  const auto& param = graph.params[id];
  Explanation e{path_of(graph, param), param.buffer ? "Buffer" : "Parameter", {}};
  e.quantities.push_back({"params",
                          param.buffer ? "numbers, no parameters" : "parameters",
                          formula.value(),
                          {term(param.name, formula, "its shape")}});
  return e;
}

Explanation explain_module(const ExplainContext& context, ModuleId id,
                           const std::vector<const Convention*>& conventions) {
  const ModuleExplainer explainer(context, id);
  const auto& module = context.graph.modules[id];
  Explanation e{module.path, module.type, {explainer.params()}};
  if (id == 0)
    if (auto rule = parameter_rule(context.graph)) e.quantities.push_back(std::move(*rule));
  for (const auto* convention : conventions)
    if (convention->applies(context.graph))
      e.quantities.push_back(explainer.convention(*convention));
  e.quantities.push_back(explainer.training());
  e.quantities.push_back(explainer.operations_done());
  e.quantities.push_back(explainer.bytes());
  return e;
}

}  // namespace

ExplainedQuantity explained_quantity(const Graph& graph, ModuleId module, std::string_view name,
                                     std::string_view unit, std::vector<ExplainedTerm> own,
                                     const Rollup& rollup) {
  auto terms = child_terms(graph, module, rollup);
  std::move(own.begin(), own.end(), std::back_inserter(terms));
  return {std::string(name), std::string(unit), rollup.total[module], std::move(terms)};
}

Place place_of(const Graph& graph, const std::string& path) {
  const auto wanted = path == "." ? std::string() : path;
  for (ModuleId id = 0; id < graph.modules.size(); ++id)
    if (graph.modules[id].path == wanted) return {id, kNone};
  for (ParamId id = 0; id < graph.params.size(); ++id)
    if (path_of(graph, graph.params[id]) == wanted) return {kNone, id};
  fail("--explain {}: the model has no such module or parameter{}", path,
       did_you_mean(path, known_paths(graph)));
}

Explanation explain(const ExplainContext& context, const std::string& path,
                    const std::vector<const Convention*>& conventions) {
  const auto place = place_of(context.graph, path);
  return place.module != kNone ? explain_module(context, place.module, conventions)
                               : explain_param(context.graph, place.param);
}

}  // namespace vitals
