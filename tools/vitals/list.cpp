#include "command.h"
#include "core/error.h"
#include "core/suggest.h"
#include "frontends/spec/builtin.h"
#include "latency.h"
#include "latency/predict.h"
#include "progress.h"
#include "report/model_list.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fnmatch.h>
#include <map>
#include <memory>

namespace vitals::cli {
namespace {

struct ListArguments {
  std::string pattern;
  ListOrder order = ListOrder::name;
  bool reverse = false;
  bool names = false;
  LatencyOptions latency;
  std::uint64_t batch = 256;
  OutputOptions output;
};

// A pattern without wildcards matches anywhere in the name.
bool matches(const std::string& pattern, const std::string& name) {
  const bool wild = pattern.find_first_of("*?[") != std::string::npos;
  return ::fnmatch((wild ? pattern : "*" + pattern + "*").c_str(), name.c_str(), 0) == 0;
}

ListedModel::Latency model_latency(const Model& model, const ListArguments& o) {
  BuildOptions build;
  build.batch = o.batch;
  const auto a = predict_latency(model, o.latency, build, WithMemory::verdict);
  const double rate = a.samples_per_s();
  return {a.batch, a.prediction.seconds(), rate, rate * a.range.low, rate * a.range.high, a.fits()};
}

std::vector<ListedModel> models(const ListArguments& o) {
  std::vector<std::string> names;
  for (const auto& name : builtin_names())
    if (matches(o.pattern, name)) names.push_back(name);
  Progress progress;
  progress.begin("going through the models");
  std::vector<ListedModel> found;
  for (const auto& name : names) {
    progress.show(static_cast<double>(found.size()) / static_cast<double>(names.size()));
    const auto model = builtin_model(name, "");
    const auto graph = model.build();
    found.push_back(listed(graph, model.architecture->name));
    if (!o.latency.device.name.empty() && latency::unpredictable(graph).empty())
      found.back().latency = model_latency(model, o);
  }
  if (found.empty())
    fail("no built-in model matches '{}'{}", o.pattern, did_you_mean(o.pattern, builtin_names()));
  sort_models(found, o.order, o.reverse);
  return found;
}

bool on_device(const ListArguments& o) { return !o.latency.device.name.empty(); }

std::string page_of(const std::vector<ListedModel>& found, const ListArguments& o) {
  auto table = list_table(found, on_device(o));
  if (!o.latency.device.name.empty())
    table.notes.push_back(
        fmt::format("{} on {} at batch {}, and whether that fits; `vitals predict` tells where the "
                    "numbers come "
                    "from.",
                    o.latency.mode, o.latency.device.name, o.batch));
  if (std::any_of(found.begin(), found.end(), [](const auto& m) { return !m.latency; }) &&
      !o.latency.device.name.empty())
    table.notes.emplace_back("Where there is no time, `vitals predict` says why.");
  return render(table, o.output);
}

std::string list(const ListArguments& o) {
  const auto found = models(o);
  if (o.names) {
    std::string text;
    for (const auto& m : found) text += m.name + "\n";
    return text;
  }
  return written({.json = [&] { return list_json(found, on_device(o)); },
                  .numbers = [&] { return list_numbers(found, on_device(o)); },
                  .page = [&] { return page_of(found, o); }},
                 o.output);
}

std::string check_usage(const ListArguments& o) {
  const bool by_latency = o.order == ListOrder::latency;
  if (!on_device(o))
    return by_latency ? "--sort latency needs a --device; `vitals devices` shows the known ones"
                      : "";
  if (o.names && !by_latency) return "--device changes no --names, unless with --sort latency";
  return latency_fault(o.latency);
}

}  // namespace

Command list_command() {
  auto o = std::make_shared<ListArguments>();
  Command c{"list", "The built-in models and their size"};
  c.text("pattern", o->pattern, "PATTERN", "Only names that match: 'deit*', or a part of the name");
  c.choice("--sort", o->order,
           {{"name", ListOrder::name},
            {"params", ListOrder::params},
            {"macs", ListOrder::macs},
            {"tokens", ListOrder::tokens},
            {"img-size", ListOrder::img_size},
            {"latency", ListOrder::latency}},
           "name, params, macs, tokens, img-size or latency; smallest first");
  c.flag("--reverse", o->reverse, "Largest first");
  c.flag("--names", o->names, "Bare names, one a line");
  add_latency_options(c, o->latency, false);
  auto& batch = c.count("--batch", o->batch, "Samples in a batch on the device");
  batch.initial = "256";
  batch.needs = "--device";
  batch.group = "Device";
  add_output_options(c, o->output, false);
  c.only("--names", {"--format", "--color", "--width"});
  c.examples = {"vitals list", "vitals list 'deit*' --sort params",
                "vitals list 'vit*' --device rtx4090 --compiled --sort latency",
                "vitals list dinov3 --format csv", "vitals list swin --names"};
  c.check = [o](const Given&) { return check_usage(*o); };
  c.run = [o] { deliver(list(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
