#include "command.h"
#include "core/error.h"
#include "device_option.h"
#include "frontends/spec/load.h"
#include "machine.h"
#include "recipe_options.h"
#include "report/page/page.h"
#include "version.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <unistd.h>

namespace vitals::cli {
namespace {

struct ReportArguments {
  ModelOptions model;
  OutputOptions output;
  std::vector<std::string> names;
  DeviceChoice device{"a100-80gb", ""};
  bool bench = false;
};

// What a page tells about one model. The answers about memory point to its graphs, so it stays
// where it is.
struct Subject {
  FlopsModel flops;
  Graph training;
  Graph inference;
  nlohmann::ordered_json spec;
  std::optional<MemoryAnswer> training_memory = {};
  std::optional<MemoryAnswer> inference_memory = {};
  Measurement measurement = {};
  std::optional<PageModel::Measured> measured = {};
};

constexpr std::uint64_t kBatch = 32;

MemoryAnswer memory_of(const Graph& graph, const MemoryOptions& options) {
  return {graph,       options,      AttentionKernel::fused,
          graph.batch, "cuda",       estimate_memory(graph, options),
          {},          std::nullopt, std::nullopt};
}

// As `vitals memory` has it where nothing is asked for.
MemoryOptions default_memory(const Model& model, bool training) {
  Recipe recipe;
  recipe.mode = training ? "training" : "inference";
  recipe.precision = precision_of(recipe, model, nullptr);
  return memory_options(recipe, eager::Device::cuda);
}

std::unique_ptr<Subject> subject(const ReportArguments& o, const std::string& name) {
  const auto model = o.model.load(name);
  auto one = o.model.build_options();
  one.batch = 1;
  auto trained = one;
  trained.training = true;
  auto served = one;
  served.batch = o.model.batch.value_or(model.recorded_batch.value_or(kBatch));
  served.attention = AttentionKernel::fused;
  auto step = served;
  step.training = true;
  auto s = std::make_unique<Subject>();
  s->flops.graph = model.build(one);
  s->flops.training = model.build(trained);
  s->training = model.build(step);
  s->inference = model.build(served);
  s->spec = spec_of(model);
  s->training_memory.emplace(memory_of(s->training, default_memory(model, true)));
  s->inference_memory.emplace(memory_of(s->inference, default_memory(model, false)));
  if (o.bench) require_measurable(s->inference);
  return s;
}

void measure(const ReportArguments& o, const std::string& name, Subject& s) {
  s.measurement = measure_model(o.model, name);
  s.measured.emplace(
      PageModel::Measured{s.measurement.heading, s.measurement.ops, s.measurement.json});
}

std::string report(const ReportArguments& o) {
  const auto device = chosen_device(o.device);
  if (!device.machine.fp32)
    fail("--device: '{}' states no peak in fp32, which the roofline is drawn with", device.name);
  // All of them, before one is measured.
  for (const auto& name : o.names) (void)o.model.load(name);
  std::vector<std::unique_ptr<Subject>> subjects;
  for (const auto& name : o.names) subjects.push_back(subject(o, name));
  // Measuring takes seconds: whatever is wrong with a model has been said by now.
  for (std::size_t i = 0; o.bench && i < subjects.size(); ++i) measure(o, o.names[i], *subjects[i]);
  std::vector<PageModel> models;
  for (const auto& s : subjects)
    models.push_back({s->flops, *s->training_memory, *s->inference_memory, s->spec,
                      s->measured ? &*s->measured : nullptr});
  return report_page(models, {device, version()});
}

}  // namespace

Command report_command() {
  auto o = std::make_shared<ReportArguments>();
  Command c{"report", "All of it on one self-contained HTML page"};
  auto& models = c.texts("models", o->names, "MODEL", "One model or more, each as elsewhere");
  models.required = true;
  models.most = 8;
  models.reads = files_of_model;
  if (can_measure())
    c.flag("--bench", o->bench,
           "Run a forward pass of each model, and show it beside the roofline");
  add_device_options(c, o->device,
                     "Whose peak and bandwidth the roofline shows: a name that `vitals devices` "
                     "shows, or a file that `vitals bench --save-device` wrote");
  add_output_file(c, o->output);
  add_model_options(c, o->model, {.model = false});
  c.examples = {"vitals report vit_base_patch16_224 -o report.html",
                "vitals report vit_base_patch16_224 vit_base_patch32_224 -o both.html",
                "vitals report vit_base_patch32 --bench -o measured.html",
                "vitals report my_vit.json --batch 64 --device rtx4090 > report.html"};
  c.check = [o](const Given&) -> std::string {
    if (o->output.file.empty() && ::isatty(STDOUT_FILENO) == 1)
      return "the page is for a browser: name a file with -o report.html";
    return device_fault(o->device);
  };
  c.run = [o] { deliver(report(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
