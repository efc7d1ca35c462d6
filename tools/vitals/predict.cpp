#include "kernel_price.h"
#include "latency.h"
#include "serve.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <memory>

namespace vitals::cli {
namespace {

struct PredictArguments {
  ModelOptions model;
  LatencyOptions latency;
  KernelOptions kernel;
  ServeOptions serve;
  std::string kv_dtype;
  OutputOptions output;
  std::vector<std::uint64_t> batches = {1};
  std::optional<std::size_t> depth;
  bool no_fold = false;
  std::vector<FailCondition> fail_if;
};

// What --fail-if may ask.
std::vector<Quantity> latency_quantities(double seconds, double samples_per_s, double memory,
                                         double fits) {
  return {{"latency", Unit::seconds, seconds},
          {"throughput", Unit::count, samples_per_s},
          {"memory", Unit::bytes, memory},
          {"fits", Unit::count, fits, true}};
}

std::vector<Quantity> latency_quantities(const LatencyAnswer& a) {
  const auto fits = a.fits();
  const double fact = !fits ? std::nan("") : *fits ? 1 : 0;
  return latency_quantities(a.prediction.seconds(), a.samples_per_s(),
                            a.memory ? a.memory->need.as_double() : 0, fact);
}

constexpr std::optional<std::size_t> kLevels = 2;  // of modules with --details

std::string page_of(const std::vector<LatencyAnswer>& answers, const PredictArguments& o) {
  const auto headline = latency_headline(answers.front());
  if (answers.size() == 1) {
    const auto& answer = answers.front();
    const bool modules = o.output.details || o.depth || o.no_fold;
    const auto text = titled(headline, latency_figures(answer, modules), o.output);
    if (!modules) return text + more(o.output, "the time of every module");
    const auto depth = o.depth || o.no_fold ? o.depth : kLevels;
    return text + "\n" +
           titled("By module", latency_modules(answer, {depth, !o.no_fold}), o.output);
  }
  const auto place = headline.find(", batch ");
  const auto rest = headline.find(", ", place + 2);
  return titled(headline.substr(0, place) + headline.substr(rest), latency_sweep(answers),
                o.output);
}

void predict(const PredictArguments& o) {
  if (!o.kernel.kernel.empty())
    return price_kernels(o.kernel, o.latency.device, o.kv_dtype, o.output);
  const auto model = o.model.load();
  if (is_serving(o.latency.mode))
    return predict_serving(model, o.serve, o.latency.device, o.latency.mode, o.kv_dtype,
                           o.kernel.framework, o.output);
  auto build = o.model.build_options();
  std::vector<LatencyAnswer> answers;
  for (auto batch : o.batches) {
    build.batch = batch;
    answers.push_back(predict_latency(model, o.latency, build, WithMemory::yes));
  }
  deliver(written({.json = [&] { return latency_json(answers); },
                   .numbers = [&] { return latency_numbers(answers); },
                   .page = [&] { return page_of(answers, o); }},
                  o.output),
          o.output);
  for (const auto& answer : answers)
    check_conditions(o.fail_if, [&] { return latency_quantities(answer); });
}

std::string check_usage(const PredictArguments& o, const Given& given) {
  if (o.kernel.kernel.empty() == o.model.model.empty())
    return o.model.model.empty() ? "MODEL is missing (or --kernel)"
                                 : "--kernel prices a kernel, not a MODEL";
  if (auto fault = kernel_fault(o.kernel); !fault.empty()) return fault;
  const bool serving = is_serving(o.latency.mode);
  for (const char* name :
       {"--input-len", "--output-len", "--concurrency", "--tp", "--ep", "--quantize"})
    if (given.has(name) && !serving)
      return fmt::format("{} is for --mode prefill, decode and serve", name);
  if (serving)
    for (const char* name : {"--batch", "--precision", "--compiled", "--attention", "--pytorch",
                             "--channels-last", "--depth", "--no-fold", "--fail-if", "--seq-len"})
      if (given.has(name)) return fmt::format("{} is not for --mode {}", name, o.latency.mode);
  if (o.kernel.kernel.empty() && !serving)
    for (const char* name : {"--kv-dtype", "--framework"})
      if (given.has(name))
        return fmt::format("{} is for --kernel and --mode prefill, decode and serve", name);
  if (o.batches.size() > 1)
    for (const char* name : {"--depth", "--no-fold"})
      if (given.has(name))
        return fmt::format("{} is for one --batch, whose modules are shown", name);
  return latency_fault(o.latency);
}

}  // namespace

Command predict_command() {
  auto o = std::make_shared<PredictArguments>();
  Command c{"predict", "Latency and throughput on a named device"};
  add_model_options(c, o->model, {.batch = false});
  for (auto& option : c.options)
    if (option.positional()) option.required = false;
  auto& batch =
      c.counts("--batch", o->batches, "Samples in a batch; several, as 1,8,64, for a sweep");
  batch.initial = "1";
  batch.group = "Model";
  add_latency_options(c, o->latency, true);
  add_serve_options(c, o->serve);
  add_kernel_options(c, o->kernel);
  c.choice("--kv-dtype", o->kv_dtype, {"bf16", "fp8"},
           "Numbers of the KV cache; else those of the products");
  c.group = "Options";
  c.count("--depth", o->depth, "Levels of the module table to show", {0});
  c.flag("--no-fold", o->no_fold, "Show every block, not `0-11 (12x)`");
  add_fail_if(c, o->fail_if, latency_quantities(0, 0, 0, 0));
  add_output_options(c, o->output);
  add_details(c, o->output);
  c.examples = {
      "vitals predict vit_base_patch16_224 --device rtx4090 --batch 256",
      "vitals predict vit_base_patch16_224 --device rtx4090 --batch 1,8,64,256 --compiled",
      "vitals predict vit_small_patch16_224 --device l4 --batch 8 --fail-if 'latency > 20ms'",
      "vitals predict deit3_small_patch16_224 --device rtx3090 --batch 128 --mode training",
      "vitals predict my_vit.json --device h100 --batch 64 --precision bf16 --format json",
      "vitals predict llama-3-70b --device h100 --mode serve --tp 4 --quantize fp8 --concurrency "
      "64",
      "vitals predict --kernel gemm --device h100 --shape 4096,8192,1024 --dtype fp8"};
  c.check = [o](const Given& given) { return check_usage(*o, given); };
  c.run = [o] { predict(*o); };
  return c;
}

}  // namespace vitals::cli
