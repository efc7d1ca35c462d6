#include "report/compare.h"

#include "command.h"
#include "frontends/spec/load.h"
#include "latency.h"
#include "latency/predict.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct CompareArguments {
  ModelOptions model;
  LatencyOptions latency;
  OutputOptions output;
  std::vector<std::string> names;
  std::optional<std::size_t> depth;
};

// One model whose time nobody can tell keeps no other from being compared.
StepOnDevice step_of(const Model& model, const Graph& graph, const CompareArguments& o) {
  if (!latency::unpredictable(graph).empty()) return {};
  const auto a = predict_latency(model, o.latency, o.model.build_options(), WithMemory::yes);
  return {a.prediction.seconds(), a.fits(),
          a.memory ? std::optional(a.memory->need) : std::nullopt};
}

std::string compare_models(const CompareArguments& o) {
  std::vector<Graph> graphs;
  std::vector<StepOnDevice> steps;
  for (const auto& name : o.names) {
    const auto model = o.model.load(name);
    graphs.push_back(model.build(o.model.build_options()));
    if (!o.latency.device.name.empty()) steps.push_back(step_of(model, graphs.back(), o));
  }
  auto comparison = compare(graphs, o.depth.value_or(1));
  if (!steps.empty()) add_latency(comparison, o.latency.device.name, steps);
  const auto page = [&] {
    auto text = render(quantities_table(comparison), o.output);
    if (comparison.modules.empty()) return text;
    if (o.output.details || o.depth)
      return text + "\n" + render(modules_table(comparison), o.output);
    return text + more(o.output, "the modules that all of them have");
  };
  return written({.json = [&] { return to_json(comparison); },
                  .numbers = [&] { return flat_table(comparison); },
                  .page = page},
                 o.output);
}

}  // namespace

Command compare_command() {
  auto o = std::make_shared<CompareArguments>();
  Command c{"compare", "Models side by side"};
  auto& models =
      c.texts("models", o->names, "MODEL", "Two models or more, each as in the other commands");
  models.required = true;
  models.least = 2;
  models.most = 16;
  models.reads = files_of_model;
  c.count("--depth", o->depth, "Levels of modules to compare where the trees agree", {0, 64});
  add_model_options(c, o->model, {.model = false});
  add_latency_options(c, o->latency, false);
  add_output_options(c, o->output);
  add_details(c, o->output);
  c.examples = {
      "vitals compare vit_base_patch16_224 vit_base_patch32_224",
      "vitals compare vit_small_patch16_224 deit3_small_patch16_224 my_vit.json --depth 3",
      "vitals compare vit_base_patch16_224 vit_base_patch32_224 --device rtx4090 --batch 256",
      "vitals compare vit_tiny_patch16_224 vit_small_patch16_224 --format json"};
  c.check = [o](const Given&) { return latency_fault(o->latency); };
  c.run = [o] { deliver(compare_models(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
