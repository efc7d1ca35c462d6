// `vitals predict` and `vitals devices`, and the devices of list and compare, as a user sees them.
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace vitals;

namespace {

nlohmann::json predict_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  const auto result = test::run(arguments);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  return nlohmann::json::parse(result.out);
}

}  // namespace

TEST_CASE("predict answers in JSON with a range around the prediction") {
  const auto p = predict_json({"predict", "vit_base_patch16_224", "--device", "rtx4090", "--batch", "256",
                       "--precision", "amp", "--compiled"});
  CHECK(p["model"] == "vit_base_patch16_224");
  CHECK(p["device"] == "rtx4090");
  CHECK(p["calibrated"] == true);
  const double rate = p["samples_per_s"];
  CHECK(256e3 / p["step_ms"].get<double>() == doctest::Approx(rate));
  CHECK(p["range"][0].get<double>() < rate);
  CHECK(p["range"][1].get<double>() > rate);
  // timm's published run: 3,345.67 samples/s at this very batch.
  CHECK(rate > 0.9 * 3346);
  CHECK(rate < 1.1 * 3346);
  double share = 0;
  for (const auto& op : p["ops"]) share += op["share"].get<double>();
  CHECK(share == doctest::Approx(1.0));
  CHECK(p["modules"][0]["path"] == "");
  CHECK(p["modules"][0]["share"].get<double>() == doctest::Approx(1.0));
  CHECK(p["memory"]["fits"] == true);
}

TEST_CASE("predict sweeps batches and says which do not fit") {
  const auto p =
      predict_json({"predict", "vit_base_patch16_224", "--device", "rtx4090", "--batch", "1,64,8192"});
  REQUIRE(p["batches"].size() == 3);
  CHECK(p["batches"][0]["bound"] == "host");
  CHECK(p["batches"][1]["samples_per_s"] > p["batches"][0]["samples_per_s"]);
  CHECK(p["batches"][1]["memory"]["fits"] == true);
  CHECK(p["batches"][2]["memory"]["fits"] == false);
  const auto text =
      test::run({"predict", "vit_base_patch16_224", "--device", "rtx4090", "--batch", "8192"});
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("does not fit into the NVIDIA GeForce RTX 4090's memory") !=
        std::string::npos);
}

TEST_CASE("predict without measurements is wide and says so") {
  const auto known =
      predict_json({"predict", "deit_small_patch16_224", "--device", "rtx4090", "--batch", "256"});
  const auto guess =
      predict_json({"predict", "deit_small_patch16_224", "--device", "h100", "--batch", "256"});
  CHECK(guess["calibrated"] == false);
  CHECK_FALSE(guess["notes"].empty());
  const auto width = [](const nlohmann::json& p) {
    return p["range"][1].get<double>() / p["range"][0].get<double>();
  };
  CHECK(width(guess) > 1.5 * width(known));
  const auto other = predict_json(
      {"predict", "deit_small_patch16_224", "--device", "rtx3090", "--batch", "256", "--compiled"});
  CHECK(other["calibrated"] == false);
  CHECK(other["calibration"]["run"].get<std::string>().find("3090") != std::string::npos);
  CHECK(width(other) > width(known));
}

TEST_CASE("predict takes training steps, precisions and versions") {
  const auto training = predict_json({"predict", "deit_small_patch16_224", "--device", "rtx3090", "--batch",
                              "128", "--mode", "training"});
  CHECK(training["calibrated"] == true);
  CHECK(training["attention"] == "eager");
  const auto inference =
      predict_json({"predict", "deit_small_patch16_224", "--device", "rtx3090", "--batch", "128"});
  CHECK(training["step_ms"].get<double>() > 2.5 * inference["step_ms"].get<double>());
  const auto fp32 = predict_json({"predict", "deit_small_patch16_224", "--device", "rtx3090", "--batch",
                          "128", "--precision", "fp32"});
  CHECK(fp32["calibrated"] == false);
  CHECK(fp32["step_ms"] > inference["step_ms"]);
  const auto older = predict_json({"predict", "vit_base_patch16_224", "--device", "rtx4090", "--batch",
                           "256", "--pytorch", "2.4"});
  CHECK(older["calibration"]["pytorch"] == "2.4.0");
  CHECK(older["calibrated"] == true);
}

TEST_CASE("predict refuses what it cannot answer") {
  const auto unknown = test::run({"predict", "vit_base_patch16_224", "--device", "rtx409"});
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.out.empty());
  CHECK(unknown.err.find("did you mean 'rtx4090'") != std::string::npos);
  const auto lacks =
      test::run({"predict", "vit_base_patch16_224", "--device", "t4", "--precision", "bf16"});
  CHECK(lacks.exit_code == 1);
  CHECK(lacks.err.find("no matrix units for bfloat16") != std::string::npos);
  CHECK(test::run({"predict", "vit_base_patch16_224"}).exit_code == 2);
  CHECK(
      test::run({"predict", "vit_base_patch16_224", "--device", "t4", "--batch", "0"}).exit_code ==
      2);
  CHECK(test::run({"predict", "vit_base_patch16_224", "--device", "t4", "--precision", "int8"})
            .exit_code == 2);
}

TEST_CASE("predict fails on demand") {
  const std::vector<std::string> ask = {
      "predict", "vit_base_patch16_224", "--device", "rtx4090", "--batch", "256", "--fail-if"};
  auto with = [&](const char* condition) {
    auto arguments = ask;
    arguments.emplace_back(condition);
    return test::run(arguments).exit_code;
  };
  CHECK(with("latency > 5ms") == 3);
  CHECK(with("latency > 1s") == 0);
  CHECK(with("throughput < 2k") == 0);
  CHECK(with("memory > 1GiB") == 3);
}

TEST_CASE("devices lists the table, and a user's own file extends it") {
  const auto devices = predict_json({"devices"});
  CHECK(devices["devices"].size() >= 30);
  for (const auto& d : devices["devices"]) {
    CAPTURE(d["name"]);
    CHECK_FALSE(d["source"].get<std::string>().empty());
    CHECK(d["bandwidth_bytes_per_s"].get<double>() > 1e10);
    CHECK(d["peak_flops_per_s"]["fp32"].get<double>() > 1e12);
  }
  const test::TemporaryFolder folder;
  const auto path = folder.write(
      "devices.json", R"([{"name": "mine", "peak_tflops": {"fp16": 80}, "bandwidth_gb_s": 500}])");
  const auto p = predict_json({"predict", "vit_base_patch16_224", "--device-file", path, "--device", "mine",
                       "--batch", "64"});
  CHECK(p["device"] == "mine");
  CHECK(p["memory"].is_null());
  folder.write("devices.json",
               R"([{"name": "mine", "peak_tflops": {"fp61": 80}, "bandwidth_gb_s": 5}])");
  const auto wrong = test::run({"devices", "--device-file", path});
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.err.find("/0/peak_tflops/fp61: unknown key; did you mean 'fp16'") !=
        std::string::npos);
}

TEST_CASE("list and compare take a device") {
  const auto list =
      predict_json({"list", "vit_base*", "--device", "rtx4090", "--sort", "latency", "--compiled"});
  double last = 1e9;
  for (const auto& m : list["models"]) {
    const double rate = m["latency"]["samples_per_s"];
    CHECK(rate <= last);
    last = rate;
  }
  CHECK(test::run({"list", "--sort", "latency"}).exit_code == 2);
  CHECK(test::run({"list", "--batch", "8"}).exit_code == 2);
  const auto compared = predict_json({"compare", "vit_base_patch16_224", "vit_base_patch32_224", "--device",
                              "rtx4090", "--batch", "256"});
  CHECK(compared.dump().find("latency_us") != std::string::npos);
}
