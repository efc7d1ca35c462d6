// Predictions stay within the data sheet: over all built-in models and devices no step computes its
// products faster than the peak of their type, and ranges are wide where nothing alike was
// measured.
#include "frontends/devices/calibration.h"
#include "frontends/devices/device_file.h"
#include "frontends/spec/builtin.h"
#include "latency/execution.h"
#include "latency/predict.h"

#include <doctest/doctest.h>

#include <map>

using namespace vitals;

namespace {

constexpr std::uint64_t kBatch = 64;

Match match_for(const DeviceSpec& device, const std::string& precision, bool images,
                std::uint64_t batch = kBatch) {
  RunQuestion question;
  question.device = device.name;
  question.family = std::string(family_of(device.machine));
  question.precision = precision;
  question.batch = batch;
  question.images = images;
  return match(calibrations(), question);
}

// A device's best 16-bit type, or what autocast uses on it.
std::string precision_for(const Machine& machine) {
  if (machine.kind == MachineKind::cpu) return "fp32";
  return machine.bf16 ? "bf16" : machine.fp16 ? "fp16" : "fp32";
}

void check_physics(const Graph& graph, const std::vector<latency::Kernel>& kernels,
                   const DeviceSpec& device, const latency::Execution& execution,
                   const Match& found) {
  latency::Setup setup;
  setup.machine = device.machine;
  setup.execution = execution;
  setup.peak = latency::peak(device.machine, execution, device.title);
  setup.factors = found.calibration->factors;
  setup.neighbours = found.calibration->neighbours;
  const auto p = latency::predict(graph, kernels, setup);
  constexpr double kRounding = 1 + 1e-9;
  CHECK(p.flops <= p.busy * setup.peak * kRounding);
}

}  // namespace

TEST_CASE("the products of a step never exceed the peak rate, for any model on any device") {
  for (const auto& name : builtin_names()) {
    CAPTURE(name);
    const auto model = builtin_model(name, "");
    BuildOptions options;
    options.batch = kBatch;
    options.attention = AttentionKernel::fused;
    const auto graph = model.build(options);
    if (!latency::unpredictable(graph).empty()) continue;
    std::map<std::string, std::vector<latency::Kernel>> kernels;
    for (const auto& device : devices()) {
      CAPTURE(device.name);
      const auto precision = precision_for(device.machine);
      const auto found = match_for(device, precision, model.reads_images());
      REQUIRE(found.calibration != nullptr);
      const auto execution =
          latency::execution({precision, true, false}, device.machine.kind, {}, "");
      auto& list = kernels[precision];
      if (list.empty()) list = latency::kernels(graph, execution);
      check_physics(graph, list, device, execution, found);
    }
  }
}

TEST_CASE("the range is wide where no model of the kind was measured, at every batch") {
  for (const auto& device : devices()) {
    CAPTURE(device.name);
    for (const std::uint64_t batch : {1U, 64U, 256U, 4096U}) {
      const auto found = match_for(device, precision_for(device.machine), false, batch);
      for (const auto& range : {found.range, found.near_range}) {
        CHECK(range.low < 0.65);
        CHECK(range.high > 1.45);
      }
      CHECK_FALSE(found.exact);
    }
  }
}

TEST_CASE("causal attention counts the scores that it computes") {
  BuildOptions options;
  options.attention = AttentionKernel::fused;
  const auto graph = builtin_model("gpt2", "").build(options);
  const auto execution = latency::execution({"bf16", true, false}, MachineKind::gpu, {}, "");
  for (const auto& kernel : latency::kernels(graph, execution)) {
    if (kernel.kind != latency::KernelKind::attention) continue;
    // m (m + 1) / 2 scores a head, and 4 FLOPs a feature of each.
    CHECK(kernel.flops ==
          doctest::Approx(kernel.count * kernel.m * (kernel.m + 1) / 2 * 4 * kernel.k));
  }
}
