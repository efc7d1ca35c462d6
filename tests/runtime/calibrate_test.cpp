// From measured passes to a device: factors that made the times are found again, and the error is
// that of what a fit did not see.
#include "runtime/measure/calibrate.h"

#include "frontends/spec/builtin.h"
#include "latency/factor_fit.h"
#include "runtime/program/step_kernels.h"
#include "support/json.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace vitals;

namespace {

constexpr double kPeak = 1e11;

// A machine that does exactly what these factors say.
BenchResult made(const char* name, std::uint64_t batch, const Factors& factors) {
  BuildOptions options;
  options.batch = batch;
  options.attention = AttentionKernel::fused;
  const auto graph = builtin_model(name, "").build(options);
  latency::Setup setup;
  setup.machine.kind = MachineKind::cpu;
  setup.machine.bandwidth = 2e10;
  setup.machine.units = 2;
  setup.peak = kPeak;
  setup.factors = factors;
  BenchResult r;
  r.model = name;
  r.batch = batch;
  r.threads = 2;
  r.machine.cpu = "a made one";
  r.machine.f32_gflops = r.machine.bf16_gflops = r.peak_gflops = kPeak / 1e9;
  r.machine.read_gb_per_s = 20;
  double seconds = 0;
  for (const auto& kernel : step_kernels(graph, Element::kF32)) {
    const double one = latency::cost(kernel, setup.machine, setup.peak, factors, false).seconds;
    r.kernels.push_back({kernel, 1e3 * one});
    r.flops += static_cast<std::uint64_t>(kernel.flops);
    seconds += one;
  }
  r.latency_ms.min = r.latency_ms.median = 1e3 * seconds;
  return r;
}

Factors true_factors() {
  auto f = latency::usual_factors(latency::Kernels::own);
  f.product = 0.8;
  f.attention = 0.3;
  f.bandwidth = 0.6;
  f.launch = 5e-6;
  f.cached = 3;
  return f;
}

}  // namespace

TEST_CASE("times that a machine's factors make are predicted from other models' times") {
  std::vector<BenchResult> results;
  for (const char* name : {"vit_tiny_patch16_224", "vit_small_patch32_224", "vit_base_patch32_224"})
    for (const std::uint64_t batch : {1U, 8U}) results.push_back(made(name, batch, true_factors()));
  const auto m = calibrate_machine(results, "made", "1.2.3");
  REQUIRE(m.cases.size() == 6);
  for (const auto& one : m.cases) CHECK(std::abs(one.error()) < 0.05);
  REQUIRE(m.device.calibrations.size() == 1);
  const auto& c = m.device.calibrations.front();
  CHECK(c.own_kernels());
  CHECK(c.vitals == "1.2.3");
  CHECK(c.batches.first == 1);
  CHECK(c.batches.second == 8);
  CHECK(c.errors.models == 6);
  CHECK(c.errors.median < 5);
  CHECK(c.errors.flops_only > c.errors.median);
  CHECK(c.range.low < 1.02);
  CHECK(c.range.high > 0.98);
  CHECK(m.device.machine.fp32 == kPeak);
  CHECK(m.device.machine.units == 2);
}

TEST_CASE("the range is as wide as few cases make it, and one case tells none") {
  std::vector<BenchResult> results;
  for (const std::uint64_t batch : {1U, 2U, 4U, 8U})
    results.push_back(made("vit_tiny_patch16_224", batch, true_factors()));
  results[2].latency_ms.min *= 1.5;  // something else ran
  const auto four = calibrate_machine(results, "made", "1.2.3").device.calibrations.front();
  CHECK(four.range.high / four.range.low > 1.5);
  CHECK_THROWS_WITH_AS((void)calibrate_machine(std::span(results).first(1), "made", "1.2.3"),
                       doctest::Contains("one measurement tells no error"), Error);
}

TEST_CASE("a device that is written reads back") {
  const std::vector results = {made("vit_tiny_patch16_224", 1, true_factors()),
                               made("vit_tiny_patch16_224", 4, true_factors())};
  const auto device = calibrate_machine(results, "made", "1.2.3").device;
  CHECK(device.title == "a made one, 2 threads");
  const test::TemporaryFolder folder;
  const auto path = folder.write("made.json", "[" + test::dumped(to_json(device)) + "]");
  const auto read = devices_in(path);
  REQUIRE(read.size() == 1);
  CHECK(to_json(read.front()) == to_json(device));
  CHECK(read.front().machine.bandwidth == doctest::Approx(device.machine.bandwidth));
  CHECK(read.front().calibrations.front().factors.product ==
        device.calibrations.front().factors.product);
}
