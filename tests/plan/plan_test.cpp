// Step times of planned training runs: published runs (tests/data/kernels/layouts.csv), and what
// must hold for any layout.
#include "frontends/devices/device_file.h"
#include "frontends/devices/plan_file.h"
#include "frontends/devices/price_file.h"
#include "plan/layout_table.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace vitals;
using namespace vitals::plan;

namespace {

// Llama-3-8B on 8 H100.
PlannedRun example() {
  const auto table = parse_csv(
      "id,gpu,framework,layers,hidden,heads,kv_heads,head_dim,ffn,gated,vocab,seq_len,num_gpus,"
      "dp,tp,pp,micro_batch,micro_batches,precision\n"
      "a,h100,Megatron-LM,32,4096,32,8,128,14336,1,128256,8192,8,8,1,1,1,16,bf16\n",
      "example");
  return planned_run(table, 0);
}

StepWork work_of(const PlannedRun& run) {
  const auto* device = find_device(run.device);
  REQUIRE(device != nullptr);
  return step_work(run.model, run.layout, device->machine, device->name, prices::built_in());
}

double seconds_of(const PlannedRun& run) {
  return factors_of(built_in_factors(), run.layout.framework)
      .step_time(work_of(run), run.device)
      .seconds();
}

}  // namespace

TEST_CASE("published runs are met") {
  const auto table = parse_csv(test::data("kernels/layouts.csv"), "layouts.csv");
  std::vector<double> errors;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const double measured = std::stod(table.rows[row][table.column("measured_ms")]) / 1e3;
    errors.push_back(std::abs(seconds_of(planned_run(table, row)) / measured - 1));
  }
  REQUIRE(errors.size() > 10);
  std::sort(errors.begin(), errors.end());
  CHECK(errors[errors.size() / 2] < 0.15);
  CHECK(errors[errors.size() * 9 / 10] < 0.4);
}

TEST_CASE("the FLOPs of a step are six a parameter and token, and attention's") {
  const auto run = example();
  const auto work = work_of(run);
  // 7.5 G parameters multiply for a token (the head, not the table); 16 samples of 8192 tokens a
  // GPU; causal attention 6 l h s a token.
  const double tokens = 16 * 8192;
  const double expected = tokens * (6 * 7.5046e9 + 6.0 * 32 * 4096 * 8192);
  CHECK(work.flops == doctest::Approx(expected).epsilon(0.01));
  CHECK(work.flops < work.micro_batches * work.stage.product * 989.4e12);
}

TEST_CASE("stages wait, and more GPUs for the same batch take less time") {
  auto run = example();
  const double plain = seconds_of(run);
  CHECK(work_of(run).bubbles == 0);
  run.layout.pp = 4;
  run.layout.dp = 2;
  CHECK(work_of(run).bubbles == 3);
  run.layout.vpp = 2;
  CHECK(work_of(run).bubbles == doctest::Approx(1.5));
  auto wide = example();
  wide.layout.gpus = 32;
  wide.layout.dp = 32;
  wide.layout.micro_batches = 4;
  CHECK(seconds_of(wide) < 0.4 * plain);
}

TEST_CASE("recomputation takes another forward pass") {
  auto run = example();
  const auto without = work_of(run);
  run.layout.recompute = Recompute::full;
  const auto with = work_of(run);
  CHECK(with.stage.product > 1.2 * without.stage.product);
  CHECK(with.stage.product < 1.4 * without.stage.product);
}

TEST_CASE("faults of a layout name what is wrong") {
  auto run = example();
  run.layout.tp = 3;
  CHECK_THROWS_WITH_AS((void)work_of(run), "tp 3 does not divide the 32 heads", Error);
  const auto table = parse_csv("layers,hidden\nx,3\n", "file");
  CHECK_THROWS_WITH_AS((void)planned_run(table, 0), "layers: expected a number, got 'x'", Error);
  CHECK_THROWS_WITH_AS((void)parse_csv("a,b\n1\n", "file.csv"),
                       "file.csv: line 2: expected 2 cells, got 1", Error);
  CHECK_THROWS_WITH_AS((void)parse_csv("a\n\"x\n", "file.csv"),
                       "file.csv: line 2: a quoted cell does not end", Error);
  const auto quoted = parse_csv("a,b\n\"1,\"\"2\"\"\",3\r\n", "file.csv");
  CHECK(quoted.rows == std::vector<std::vector<std::string>>{{"1,\"2\"", "3"}});
}
