// `vitals bench` as scripts see it: keys, sums that must hold, and what is refused.
#include "runtime/kernels/isa.h"
#include "support/json.h"
#include "support/run.h"
#include "support/sanitized.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <thread>

using nlohmann::json;
using vitals::test::run;
namespace test = vitals::test;

namespace {

std::vector<std::string> small(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"bench",      "vit_tiny_patch16_224",
                                        "--img-size", "64",
                                        "--set",      "depth=2",
                                        "--runs",     "3",
                                        "--warmup",   "0",
                                        "--threads",  "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("bench: the keys that scripts rely on; its FLOPs are those of `flops`") {
  const auto result = run(small({"--format", "json", "--batch", "2"}));
  REQUIRE(result.exit_code == 0);
  const auto bench = test::parsed(result.out);
  CHECK_FALSE(bench.at("warnings").empty());  // three runs are few; said there alone
  CHECK(result.err.empty());
  CHECK(bench.at("model") == "vit_tiny_patch16_224");
  CHECK(bench.at("precision") == "fp32");
  CHECK(bench.at("threads") == 1);
  CHECK(bench.at("batch") == 2);
  CHECK((bench.at("backend") == "native" || bench.at("backend") == "onednn"));
  const auto former = test::parsed(run(small({"--format", "json", "--backend", "eigen"})).out);
  CHECK(former.at("backend") == "native");
  const auto& latency = bench.at("latency_ms");
  CHECK(latency.at("runs") == 3);
  const double median = latency.at("median");
  CHECK(latency.at("min").get<double>() <= median);
  CHECK(median <= latency.at("p95").get<double>());
  CHECK(latency.at("ci95").at(0).get<double>() <= median);
  CHECK(latency.at("ci95").at(1).get<double>() >= median);
  CHECK(latency.at("mean").get<double>() > 0);
  CHECK(latency.at("stddev").get<double>() >= 0);
  CHECK(bench.at("throughput").get<double>() == doctest::Approx(2000 / median));
  const auto& memory = bench.at("memory");
  CHECK(memory.at("planned_bytes") == memory.at("arena_bytes"));
  CHECK(memory.at("peak_rss_bytes").get<double>() >= memory.at("weights_bytes").get<double>());

  std::uint64_t flops = 0;
  double share = 0;
  double roofline = 0;
  for (const auto& op : bench.at("ops")) {
    flops += op.at("flops").get<std::uint64_t>();
    share += op.at("share").get<double>();
    roofline += op.at("roofline_ms").get<double>();
    CHECK(op.at("bytes").get<std::uint64_t>() > 0);
    CHECK(op.at("median_ms").get<double>() >= 0);
    CHECK((op.at("bound") == "compute" || op.at("bound") == "memory"));
    CHECK(op.at("type").is_string());
    CHECK(op.at("path").is_string());
    CHECK(op.at("gflops_per_s").get<double>() >= 0);
  }
  CHECK(flops == bench.at("flops").get<std::uint64_t>());
  CHECK(roofline == doctest::Approx(bench.at("roofline_ms").get<double>()));
  CHECK(share + bench.at("overhead_ms").get<double>() / median == doctest::Approx(1.0));
  CHECK(bench.at("machine").at("peak_gflops_per_s").get<double>() > 0);
  CHECK(bench.at("machine").at("bandwidth_gb_per_s").get<double>() > 0);
  CHECK(bench.at("machine").at("cpu").is_string());
  CHECK(bench.at("gflops_per_s").get<double>() ==
        doctest::Approx(static_cast<double>(flops) / median / 1e6));
  CHECK(bench.at("efficiency").get<double>() ==
        doctest::Approx(bench.at("gflops_per_s").get<double>() /
                        bench.at("machine").at("peak_gflops_per_s").get<double>()));

  const auto theory = run({"flops", "vit_tiny_patch16_224", "--img-size", "64", "--set", "depth=2",
                           "--batch", "2", "--format", "json"});
  CHECK(test::parsed(theory.out).at("flops") == flops);
}

TEST_CASE("bench: the memory of a batch is its own, whatever was measured before") {
  const auto memory = [](const char* batches) {
    const auto result = run(small({"--format", "json", "--batch", batches}));
    REQUIRE(result.exit_code == 0);
    return test::parsed(result.out).at("sweep");
  };
  const auto up = memory("1,16");
  const auto down = memory("16,1");
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& one = up.at(i).at("memory");
    const auto& other = down.at(1 - i).at("memory");
    CHECK(one.at("scratch_bytes") == other.at("scratch_bytes"));
    CHECK(one.at("arena_bytes") == other.at("arena_bytes"));
    if (!test::kSanitized)
      CHECK(one.at("peak_rss_bytes").get<double>() ==
            doctest::Approx(other.at("peak_rss_bytes").get<double>()).epsilon(0.1));
  }
}

TEST_CASE("bench: sweeps, two models, and the table's parts") {
  const auto sweep = run(small({"--batch", "1,3", "--format", "csv"}));
  REQUIRE(sweep.exit_code == 0);
  CHECK(std::count(sweep.out.begin(), sweep.out.end(), '\n') == 3);
  const auto two =
      run({"bench", "vit_tiny_patch16_224", "deit_tiny_patch16_224", "--img-size", "32", "--runs",
           "3", "--warmup", "0", "--threads", "1", "--precision", "bf16"});
  REQUIRE(two.exit_code == 0);
  CHECK(two.out.find("deit_tiny_patch16_224") != std::string::npos);
  CHECK(two.out.find(" the time of ") != std::string::npos);
  // Three runs tell no difference, whatever they say.
  CHECK(test::says(two.out, "No difference can be told: deit_tiny_patch16_224 takes "));
  const auto table = run(small({"--details"}));
  REQUIRE(table.exit_code == 0);
  for (const char* part : {"blocks.*.mlp.fc1 (2x)", "linear + gelu", "roofline ms", "(between ops)",
                           "latency", "throughput", "memory"})
    CHECK_MESSAGE(table.out.find(part) != std::string::npos, part);
}

TEST_CASE("report: every model is resolved before one is measured") {
  const vitals::test::TemporaryFolder folder;
  for (const char* wrong : {"no_such_model", "gpt2"}) {
    const auto result =
        test::run_in({.environment = {{"XDG_CACHE_HOME", folder.path()}}},
                     {"report", "vit_tiny_patch16_224", wrong, "--bench", "-o", folder.path("r")});
    CHECK(result.exit_code == 1);
    CHECK(test::says(result.err, wrong));
    CHECK(std::filesystem::is_empty(folder.path()));  // not even the machine's limits
  }
}

TEST_CASE("bench: a machine that is saved is one that predict answers for") {
  const vitals::test::TemporaryFolder folder;
  const auto file = folder.path("this-machine.json");
  const auto saved = run(small({"--batch", "1,2", "--save-device", file, "--format", "json"}));
  CAPTURE(saved.err);
  REQUIRE(saved.exit_code == 0);
  const auto report = test::parsed(saved.out);
  REQUIRE(report.at("cases").size() == 2);
  for (const auto& one : report.at("cases")) {
    CHECK(one.at("measured_ms").get<double>() > 0);
    CHECK(one.at("error").get<double>() ==
          doctest::Approx(
              one.at("measured_ms").get<double>() / one.at("predicted_ms").get<double>() - 1));
  }
  const auto& device = report.at("device");
  CHECK(device.at("name") == "this-machine");
  CHECK(device.at("units") == 1);
  CHECK(device.at("memory_gib").get<double>() > 0);
  CHECK(device.at("peak_tflops").at("fp32").get<double>() > 0);
  CHECK(device.at("calibrations").at(0).at("batches") == json({1, 2}));
  CHECK_FALSE(std::filesystem::exists(file + ".partial"));

  const auto asked = run({"predict", "vit_tiny_patch16_224", "--img-size", "96", "--device", file,
                          "--format", "json"});
  CAPTURE(asked.err);
  REQUIRE(asked.exit_code == 0);
  const auto answer = test::parsed(asked.out);
  CHECK(answer.at("device") == "this-machine");
  CHECK(answer.at("runs_on") == "vitals");
  CHECK(answer.at("calibrated") == true);
  CHECK(answer.at("range").at(0).get<double>() <= answer.at("range").at(1).get<double>());
  const auto listed = run({"devices", "--device-file", file});
  CHECK(listed.out.find("this-machine") != std::string::npos);

  const auto table = run(small({"--batch", "1,2", "--save-device", file}));
  CHECK(table.out.find("fastest ms") != std::string::npos);
  CHECK(table.out.find("written to " + file) != std::string::npos);
}

TEST_CASE("bench: more threads than CPUs are taken, with a word on what that means") {
  const auto threads = std::to_string(std::thread::hardware_concurrency() + 1);
  const auto result = run({"bench", "vit_tiny_patch16_224", "--img-size", "32", "--set", "depth=1",
                           "--runs", "2", "--warmup", "0", "--threads", threads});
  CHECK(result.exit_code == 0);
  CHECK(result.err.find("threads share") != std::string::npos);
}

TEST_CASE("bench: what is refused, in words") {
  const auto refused = [](std::vector<std::string> arguments, int code, const std::string& words) {
    arguments.insert(arguments.begin(), "bench");
    const auto result = run(arguments);
    CAPTURE(result.err);
    CHECK(result.exit_code == code);
    CHECK(result.out.empty());
    CHECK(result.err.find(words) != std::string::npos);
  };
  const std::string model = "vit_tiny_patch16_224";
  refused({"no_such_model"}, 1, "no_such_model");
  refused({model, "--batch", "0"}, 2, "--batch");
  refused({model, "--batch", "1,x"}, 2, "--batch");
  refused({model, "--threads", "0"}, 2, "--threads");
  refused({model, "--backend", "cuda"}, 2, "--backend");
  refused({model, "--precision", "fp8"}, 2, "--precision");
  refused({model, "--isa", "sse9"}, 2, "--isa: there is no 'sse9'; there is portable");
  refused({model, "--runs", "0"}, 2, "--runs");
  refused({model, "--seconds", "-1"}, 2, "--seconds");
  refused({model, "--runs", "2", "--seconds", "1"}, 2, "--");
  refused({model, model, "--batch", "1,2"}, 2, "one --batch");
  refused({model, "--batch", "100000000"}, 1, "not enough memory");
  refused({}, 2, "MODEL is required");
  refused({"--save-device", "rtx4090.json"}, 2, "built-in device");
  refused({model, "--save-device", "x.json", "--threads", "1,2"}, 2, "one --threads");
  refused({model, "--save-device", "/no/such/folder/x.json"}, 1,
          "x.json: cannot be written: No such file");
  const vitals::test::TemporaryFolder folder;
  refused({model, "--img-size", "32", "--runs", "1", "--save-device", folder.path("x.json")}, 1,
          "one measurement tells no error");
  CHECK_FALSE(std::filesystem::exists(folder.path("x.json")));
}

TEST_CASE("the instruction set can be capped by an option or by the environment") {
  const auto capped_by_environment = [](const std::string& name, std::vector<std::string> more) {
    return test::run_in({.environment = {{"VITALS_ISA", name}}}, small(std::move(more)));
  };
  CHECK(test::says(run(small({"--isa", "portable"})).out, "own portable kernels"));
  CHECK(test::says(capped_by_environment("portable", {}).out, "own portable kernels"));
  const auto wrong = capped_by_environment("avx1024", {"--format", "json"});
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.out.empty());
  CHECK(test::says(wrong.err,
                   "VITALS_ISA: unknown instruction set 'avx1024'; expected one of "
                   "portable"));
  for (const auto& set : vitals::instruction_sets()) {
    if (vitals::has_isa(set.isa)) continue;
    const std::string missing = std::string("this CPU has no ") + set.name + " instructions";
    CHECK(test::says(run(small({"--isa", set.name})).err, "--isa " + std::string(set.name) + ": "));
    CHECK(test::says(run(small({"--isa", set.name})).err, missing));
    CHECK(test::says(capped_by_environment(set.name, {}).err, missing));
  }
}

TEST_CASE("a model on standard input is read once and measured") {
  const std::string spec = R"({"name": "mine", "base": "vit_tiny_patch16_224", "depth": 1})";
  const auto bench = run({"bench", "-", "--runs", "1", "--warmup", "0", "--format", "json"}, spec);
  CHECK(bench.exit_code == 0);
  CHECK(test::parsed(bench.out)["model"] == "mine");
  CHECK(run({"report", "-", "--bench"}, spec).exit_code == 0);
}

TEST_CASE("bench: two models as raw numbers") {
  const auto csv = run(small({"vit_small_patch16_224", "--format", "csv"}));
  REQUIRE(csv.exit_code == 0);
  CHECK(csv.out.starts_with("quantity,vit_tiny_patch16_224,vit_small_patch16_224,ratio\nparams,"));
  for (const char* unit : {" k", " M", " G", "MiB", " %", "x\n"}) {
    CAPTURE(unit);
    CHECK_FALSE(test::says(csv.out, unit));
  }
  const auto both = test::parsed(run(small({"vit_small_patch16_224", "--format", "json"})).out);
  CHECK(both["schema_version"] == 1);
  CHECK(both["models"][0]["schema_version"] == 1);
}
