#include "cost/arithmetic.h"
#include "cost/module_costs.h"
#include "cost/traffic.h"
#include "report/flops.h"
#include "report/language_model.h"
#include "report/op_list.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::ordered_json;

ordered_json number(const std::optional<Count>& n) {
  return n ? ordered_json(n->value()) : ordered_json(nullptr);
}

ordered_json cost_json(Count macs, Count bytes, Count training) {
  return {{"macs", macs.value()},
          {"flops", (macs * 2).value()},
          {"bytes", bytes.value()},
          {"intensity", arithmetic_intensity(macs * 2, bytes)},
          {"training_flops", training.value()}};
}

ordered_json training_json(const TrainingFlops& training, ActivationCheckpointing checkpoint) {
  return {{"checkpoint", name_of(checkpoint)},
          {"forward", training.forward.value()},
          {"grad_input", training.grad_input.value()},
          {"grad_weight", training.grad_weight.value()},
          {"recompute", training.recompute.value()}};
}

ordered_json arithmetic_json(const Graph& graph) {
  std::array<Count, kArithmeticKinds.size()> sums;
  for (const auto& node : graph.nodes) {
    const auto a = arithmetic(graph, node);
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums[i] += (a.*kArithmeticKinds[i].member).value();
  }
  auto json = ordered_json::object();
  for (std::size_t i = 0; i < sums.size(); ++i)
    json[std::string(kArithmeticKinds[i].name)] = sums[i].value();
  return json;
}

ordered_json modules_json(const FlopsModel& model, const ModuleCosts& costs) {
  const auto& graph = model.graph;
  const auto training = training_by_module(model.training, model.checkpoint, graph);
  auto modules = ordered_json::array();
  for (ModuleId id = 0; id < graph.modules.size(); ++id) {
    ordered_json module = {{"path", graph.modules[id].path}, {"type", graph.modules[id].type}};
    module.update(cost_json(costs.macs.own[id], costs.bytes.own[id], training.own[id]));
    module["total"] = cost_json(costs.macs.total[id], costs.bytes.total[id], training.total[id]);
    modules.push_back(std::move(module));
  }
  return modules;
}

}  // namespace

ordered_json flops_json(const FlopsModel& model) {
  const auto& graph = model.graph;
  const auto costs = module_costs(graph);
  const auto macs = costs.macs.sum();
  const auto training = training_flops(model.training, model.checkpoint);
  ordered_json json = ordered_json::object();
  json["schema_version"] = 1;
  json["model"] = graph.model;
  json["batch"] = graph.batch;
  json["macs"] = macs.value();
  json["flops"] = (macs * 2).value();
  json["training_flops"] = training.total().value();
  add_unknown_ops(json, json, graph);
  json["training"] = training_json(training, model.checkpoint);
  auto counts = ordered_json::object();
  auto sentences = ordered_json::object();
  for (const auto& convention : conventions()) {
    const std::string name(convention.name);
    sentences[name] = convention.sentence;
    if (name != "macs" && name != "flops") counts[name] = number(total(convention, graph));
  }
  json["conventions"] = std::move(counts);
  json["convention_sentences"] = std::move(sentences);
  auto& kinds = json["by_kind"] = ordered_json::object();
  for (const auto& [kind, count] : by_kind(*find_convention("fvcore"), graph))
    kinds[std::string(kind)] = count.value();
  json["activations_fvcore"] = total(fvcore_activations(), graph)->value();
  json["bytes"] = costs.bytes.sum().value();
  json["intensity"] = arithmetic_intensity(macs * 2, costs.bytes.sum());
  json["arithmetic"] = arithmetic_json(graph);
  if (model.generation) json["generation"] = generation_json(*model.generation);
  if (model.compute) json["training_compute"] = training_compute_json(*model.compute);
  json["modules"] = modules_json(model, costs);
  return json;
}

ordered_json convention_json(const Graph& graph, const Convention& convention) {
  ordered_json json = {{"name", convention.name},
                       {"unit", convention.unit},
                       {"counts", convention.sentence},
                       {"source", convention.source},
                       {"total", number(total(convention, graph))}};
  if (!convention.applies(graph)) return json;
  const auto counts = roll_up(convention, graph);
  auto& modules = json["modules"] = ordered_json::array();
  for (ModuleId id = 0; id < graph.modules.size(); ++id)
    modules.push_back({{"path", graph.modules[id].path},
                       {"type", graph.modules[id].type},
                       {"count", counts.own[id].value()},
                       {"total", counts.total[id].value()}});
  return json;
}

}  // namespace vitals
