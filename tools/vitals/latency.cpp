#include "latency.h"

#include "core/error.h"
#include "cost/rollup.h"
#include "frontends/devices/calibration.h"
#include "latency/execution.h"
#include "memory/estimate.h"
#include "recipe_options.h"
#include "runtime/program/lower.h"
#include "runtime/program/plan.h"
#include "runtime/program/step_kernels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace vitals::cli {
namespace {

std::string default_precision(const Model& model, const DeviceSpec& on, bool training) {
  if (!training) return inference_precision(model, &on);
  return on.machine.kind == MachineKind::cpu ? "fp32" : "amp";
}

// The same recipe as `vitals memory` would be asked for; autocast takes the same bytes in both
// 16-bit types.
MemoryOptions memory_of(const LatencyAnswer& a, const DeviceSpec& device) {
  Recipe recipe;
  recipe.mode = a.training ? "training" : "inference";
  recipe.precision = a.precision == "amp-bf16" ? "amp" : a.precision;
  recipe.optimizer = "momentum";
  if (a.precision == "amp-bf16") recipe.amp_dtype = "bf16";
  const bool cpu = device.machine.kind == MachineKind::cpu;
  auto m = memory_options(recipe, cpu ? eager::Device::cpu : eager::Device::cuda);
  m.composition = false;
  m.allocator = has_caching_allocator(device);
  return m;
}

// As `vitals bench` would hold it: weights and the arena.
Count own_memory(const Graph& graph, Element precision) {
  auto program = lower(graph, {precision, {}});
  reuse_in_place(program);
  return parameters(graph).sum() * element_size(precision) + Count(plan_memory(program).bytes);
}

// The device's own measurements first.
std::vector<Calibration> known_calibrations(const DeviceSpec& device) {
  auto known = device.calibrations;
  known.insert(known.end(), calibrations().begin(), calibrations().end());
  return known;
}

// Of a version that no run was measured with: which there are.
std::string version_fault(const std::vector<Calibration>& known, const std::string& asked) {
  if (asked.empty()) return "";
  std::vector<std::string> versions;
  for (const auto& c : known) {
    if (is_version(c.pytorch, asked)) return "";
    if (!c.own_kernels()) versions.push_back(c.pytorch);
  }
  std::sort(versions.begin(), versions.end());
  versions.erase(std::unique(versions.begin(), versions.end()), versions.end());
  return fmt::format("--pytorch: nothing was measured with version '{}', but with {}", asked,
                     fmt::join(versions, ", "));
}

void set_calibration(LatencyAnswer& a, const Match& match) {
  const auto& c = *match.calibration;
  a.own_kernels = match.own_kernels;
  a.calibrated = match.exact;
  a.notes = match.notes;
  a.run = c.run;
  a.pytorch = c.pytorch;
  a.vitals = c.vitals;
  a.median_error = c.errors.median;
  a.p90_error = c.errors.p90;
}

}  // namespace

std::string latency_fault(const LatencyOptions& o) {
  auto fault = device_fault(o.device);
  const bool own = !o.device.file.empty() || o.device.name.ends_with(".json");
  return fault.empty() && !own ? version_fault(calibrations(), o.pytorch) : fault;
}

LatencyAnswer predict_latency(const Model& model, const LatencyOptions& o,
                              const BuildOptions& build, WithMemory memory) {
  const auto on = chosen_device(o.device);
  LatencyAnswer a;
  a.device = on.name;
  a.device_title = on.title;
  a.batch = build.batch;
  a.training = o.mode == "training";
  a.precision = o.precision.empty() ? default_precision(model, on, a.training) : o.precision;
  a.compiled = o.compiled;
  const auto known = known_calibrations(on);
  if (const auto fault = version_fault(known, o.pytorch); !fault.empty()) fail("{}", fault);
  const auto found =
      match(known, {on.name, std::string(family_of(on.machine)), a.training, a.compiled,
                    a.precision, o.pytorch, o.channels_last, a.batch, model.reads_images()});
  set_calibration(a, found);
  const auto& c = *found.calibration;
  const bool fusable = found.own_kernels || model.architecture->fused_attention;
  a.fused_attention = o.attention.empty() ? c.fused_attention && fusable : o.attention == "fused";
  latency::Setup setup;
  setup.execution = latency::execution({a.precision, a.compiled, a.training}, on.machine.kind,
                                       c.low_norms, model.architecture->name);
  setup.machine = on.machine;
  setup.peak = a.peak = latency::peak(on.machine, setup.execution, on.title);
  setup.factors = c.factors;
  if (found.exact) setup.neighbours = c.neighbours;
  auto options = build;
  options.training = a.training;
  options.attention = a.fused_attention ? AttentionKernel::fused : AttentionKernel::eager;
  a.graph = model.build(options);
  a.batch = a.graph.batch;
  const auto element = a.precision == "bf16" ? Element::kBf16 : Element::kF32;
  a.prediction = a.own_kernels ? latency::predict(a.graph, step_kernels(a.graph, element), setup)
                               : latency::predict(a.graph, setup);
  a.range = between(found.range, found.near_range, a.prediction.adjustment.confidence);
  a.range.high = std::min(a.range.high, 1 / a.share_of_peak());  // no faster than the peak rate
  if (memory != WithMemory::no) {
    a.memory = LatencyAnswer::Memory{};
    if (on.memory) a.memory->usable = memory_budget(on).bytes;
    if (a.own_kernels) {
      a.memory->peak = a.memory->need = own_memory(a.graph, element);
    } else {
      auto recipe = memory_of(a, on);
      if (memory == WithMemory::verdict) recipe.budget = a.memory->usable;
      const auto e = estimate_memory(a.graph, recipe);
      a.memory->peak = e.peak.bytes;
      a.memory->need = e.allocator.value_or(e.peak.bytes);
    }
  }
  return a;
}

void add_latency_options(Command& c, LatencyOptions& o, bool required) {
  c.group = "Device";
  const auto first = c.options.size();
  add_device_options(c, o.device,
                     "A name that `vitals devices` shows, or a file that `vitals bench "
                     "--save-device` wrote")
      .required = required;
  c.choice("--precision", o.precision, latency::latency_precisions(),
           "fp32, amp, amp-bf16, fp16 or bf16 (amp on a GPU, fp32 on a CPU)");
  std::vector<std::string> modes = {"inference", "training"};
  if (required) modes.insert(modes.end(), {"prefill", "decode", "serve"});
  c.choice("--mode", o.mode, modes,
           required ? "inference, training (a step with SGD and momentum), or of a language model: "
                      "prefill, decode, serve"
                    : "inference or training (a step with SGD and momentum)");
  c.flag("--compiled", o.compiled, "As torch.compile runs it, else eagerly");
  c.choice("--attention", o.attention, {"eager", "fused"},
           "fused or eager (written out); else as the measured runs had it");
  c.text("--pytorch", o.pytorch, "VERSION", "Version of the measured runs to go by, like 2.4");
  c.flag("--channels-last", o.channels_last, "Images and convolutions in channels_last");
  c.group = "Options";
  if (required) return;
  for (auto i = first + 1; i < c.options.size(); ++i) c.options[i].needs = "--device";
}

}  // namespace vitals::cli
