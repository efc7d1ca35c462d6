#include "command.h"
#include "plan_devices.h"
#include "plan_runs.h"
#include "plan_search.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct PlanArguments {
  ModelOptions model;
  std::string layouts;
  DeviceTableOptions devices;
  SearchOptions search;
  OutputOptions output;
};

std::string check_plan(const PlanArguments& o, const Given& given) {
  if (o.layouts.empty() == o.model.model.empty())
    return o.layouts.empty() ? "give a MODEL, or --layouts FILE"
                             : "--layouts states the models itself: no MODEL";
  const bool one_device = o.layouts.empty() && o.search.gpus.empty();
  for (const char* name : {"--mode", "--device", "--device-file", "--price", "--input-len",
                           "--output-len", "--quantize"})
    if (given.has(name) && !one_device)
      return fmt::format("{} chooses one device: leave out {}", name,
                         o.search.gpus.empty() ? "--layouts" : "--gpus");
  for (const char* name : {"--global-batch", "--precision", "--framework", "--top", "--no-memory",
                           "--layout", "--from", "--emit"})
    if (given.has(name) && one_device)
      return fmt::format("{} is for many GPUs: add --gpus, like 64xh100", name);
  if (!o.search.layout.empty() && !o.search.from.empty())
    return "--layout and --from state two layouts: leave one of them out";
  return one_device ? device_table_fault(o.devices) : "";
}

void plan_cluster(const PlanArguments& o) {
  const auto search = searched(o.model.load(), o.model.seq_len, o.search);
  if (!o.search.emit.empty()) return deliver(emitted(search, o.search), o.output);
  deliver(written({.json = [&] { return search_json(search, o.search); },
                   .numbers = [&] { return plan_numbers(search.best); },
                   .page = [&] { return search_page(search, o.output); }},
                  o.output),
          o.output);
}

void plan_rows(const PlanArguments& o) {
  const auto all = planned_rows(o.layouts, !o.search.no_memory);
  deliver(
      written(
          {.json =
               [&] {
                 auto rows = nlohmann::ordered_json::array();
                 for (const auto& p : all) rows.push_back(layout_json(p));
                 return nlohmann::ordered_json{{"schema_version", 1}, {"layouts", std::move(rows)}};
               },
           .numbers = [&] { return plan_numbers(all); },
           .page = [&] { return plan_page(all, o.output); }},
          o.output),
      o.output);
}

}  // namespace

Command plan_command() {
  auto o = std::make_shared<PlanArguments>();
  Command c{"plan", "Which device, or which layout on many GPUs, by speed, memory and price"};
  add_model_options(c, o->model, {.batch = false});
  for (auto& option : c.options)
    if (option.positional()) option.required = false;
  add_device_table_options(c, o->devices);
  add_search_options(c, o->search);
  c.group = "Options";
  auto& layouts = c.text("--layouts", o->layouts, "FILE",
                         "A CSV file, a training run a row; docs/plan.md lists the columns");
  layouts.reads = itself;
  c.flag("--no-memory", o->search.no_memory, "Step times alone");
  add_output_options(c, o->output, false);
  add_details(c, o->output);
  c.examples = {"vitals plan vit_base_patch16_224",
                "vitals plan llama-3-8b --mode serve --price h100=2.50 --price l40s=0.90",
                "vitals plan llama-3-8b --gpus 64xh100 --seq-len 8192",
                "vitals plan llama-3-8b --gpus 64xh100 --emit torchtitan -o run.toml",
                "vitals plan --layouts runs.csv --format csv"};
  c.check = [o](const Given& given) { return check_plan(*o, given); };
  c.run = [o] {
    if (!o->layouts.empty()) return plan_rows(*o);
    if (!o->search.gpus.empty()) return plan_cluster(*o);
    plan_devices(o->model, o->devices, o->output);
  };
  return c;
}

}  // namespace vitals::cli
