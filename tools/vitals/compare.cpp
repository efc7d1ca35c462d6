#include "report/compare.h"

#include "command.h"
#include "latency.h"
#include "spec/load.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct CompareArguments {
  ModelOptions model;
  LatencyOptions latency;
  OutputOptions output;
  std::vector<std::string> names;
  std::size_t depth = 1;
};

std::string compare_models(const CompareArguments& o) {
  std::vector<Graph> graphs;
  std::vector<double> seconds;
  for (const auto& name : o.names) {
    const auto model = o.model.load(name);
    const auto build = o.model.build_options();
    graphs.push_back(model.build(build));
    if (!o.latency.device.empty())
      seconds.push_back(
          predict_latency(model, o.latency, build, WithMemory::no).prediction.seconds());
  }
  auto comparison = compare(graphs, o.depth);
  if (!seconds.empty()) add_latency(comparison, o.latency.device, seconds);
  const auto page = [&] {
    auto text = render(quantities_table(comparison), o.output);
    if (!comparison.modules.empty()) text += "\n" + render(modules_table(comparison), o.output);
    return text;
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
  c.count("--depth", o->depth, "Levels of modules to compare where the trees agree", {0, 64})
      .initial = "1";
  add_model_options(c, o->model, false);
  add_latency_options(c, o->latency, false);
  add_output_options(c, o->output);
  c.examples = {
      "vitals compare vit_base_patch16_224 vit_base_patch32_224",
      "vitals compare vit_small_patch16_224 deit3_small_patch16_224 my_vit.json --depth 3",
      "vitals compare vit_base_patch16_224 vit_base_patch32_224 --device rtx4090 --batch 256",
      "vitals compare vit_tiny_patch16_224 vit_small_patch16_224 --format json"};
  c.run = [o] { deliver(compare_models(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
