// `vitals predict` and `vitals devices`, and the devices of list and compare, as a user sees them.
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

nlohmann::json predict_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  const auto result = test::run(arguments);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  return test::parsed(result.out);
}

}  // namespace

TEST_CASE("predict answers in JSON with a range around the prediction") {
  const auto p = predict_json({"predict", "vit_base_patch16_224", "--device", "rtx4090", "--batch",
                               "256", "--precision", "amp", "--compiled"});
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
  const auto p = predict_json(
      {"predict", "vit_base_patch16_224", "--device", "rtx4090", "--batch", "1,64,8192"});
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
  const auto training = predict_json({"predict", "deit_small_patch16_224", "--device", "rtx3090",
                                      "--batch", "128", "--mode", "training"});
  CHECK(training["calibrated"] == true);
  CHECK(training["attention"] == "eager");
  const auto inference =
      predict_json({"predict", "deit_small_patch16_224", "--device", "rtx3090", "--batch", "128"});
  CHECK(training["step_ms"].get<double>() > 2.5 * inference["step_ms"].get<double>());
  const auto fp32 = predict_json({"predict", "deit_small_patch16_224", "--device", "rtx3090",
                                  "--batch", "128", "--precision", "fp32"});
  CHECK(fp32["calibrated"] == false);
  CHECK(fp32["step_ms"] > inference["step_ms"]);
  const auto older = predict_json({"predict", "vit_base_patch16_224", "--device", "rtx4090",
                                   "--batch", "256", "--pytorch", "2.4"});
  CHECK(older["calibration"]["pytorch"] == "2.4.0");
  CHECK(older["calibrated"] == true);
}

TEST_CASE("predict refuses what it cannot answer") {
  const auto unknown = test::run({"predict", "vit_base_patch16_224", "--device", "rtx409"});
  CHECK(unknown.exit_code == 2);
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

TEST_CASE("predict names the nearest devices, and what a device can compute in") {
  const auto message = [](const std::vector<std::string>& arguments, int exit_code = 2) {
    const auto result = test::run(arguments);
    CAPTURE(result.err);
    CHECK(result.exit_code == exit_code);
    CHECK(result.out.empty());
    return result.err;
  };
  const std::string model = "vit_base_patch16_224";
  CHECK(message({"predict", model, "--device", "RTX-4091"}).find("did you mean 'rtx4090'") !=
        std::string::npos);
  CHECK(message({"predict", model, "--device", "abacus"}).find("`vitals devices` shows") !=
        std::string::npos);
  CHECK(message({"list", "vit_tiny*", "--device", "a100"})
            .find("may mean a100-pcie, a100-40gb, a100-80gb") != std::string::npos);
  CHECK(message({"compare", model, model, "--device", "h1000"}).find("did you mean 'h100'") !=
        std::string::npos);
  // Every command that takes a device says the same of one that there is not.
  for (const char* command : {"memory", "report"})
    CHECK(message({command, model, "--device", "rtx409"})
              .find("unknown device 'rtx409'; did you mean 'rtx4090'") != std::string::npos);
  const auto cpu = message({"predict", model, "--device", "i9-10940x", "--precision", "amp"}, 1);
  CHECK(cpu.find("no matrix units for bfloat16; it has fp32") != std::string::npos);
  const auto apple = message({"predict", model, "--device", "m2", "--precision", "amp-bf16"}, 1);
  CHECK(apple.find("it has fp32, fp16 (amp)") != std::string::npos);
}

TEST_CASE("what does not fit into memory is said beside the prediction") {
  const std::vector<std::string> ask = {
      "predict", "vit_giant_patch14_224", "--device", "rtx2080ti", "--batch", "64", "--mode",
      "training"};
  const auto text = test::run(ask);
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("samples/s") != std::string::npos);
  CHECK(text.out.find("DOES NOT FIT") != std::string::npos);
  CHECK(text.out.find("batch 64 does not fit into the NVIDIA GeForce RTX 2080 Ti's memory") !=
        std::string::npos);
  const auto answer = predict_json(ask);
  CHECK(answer["memory"]["fits"] == false);
  CHECK(answer["memory"]["peak_bytes"].get<double>() >
        answer["memory"]["usable_bytes"].get<double>());
  CHECK(answer["samples_per_s"].get<double>() > 0);
}

TEST_CASE("a device file with calibrations is read whole, and faults in it are named") {
  const test::TemporaryFolder folder;
  const auto file = [&](const std::string& name, const std::string& factor) {
    const std::string factors =
        R"({"product": 0.9, "width": 0, "convolution": 0.5, "attention": 0.4, "score": 50, "bias": 200,
            "bandwidth": )" +
        factor +
        R"(, "strided": 2, "launch": 2e-6, "backward": 2, "rows": 0, "pack": 50, "aliasing": 0,
            "cached": 2, "rolled": 2e-8})";
    return folder.write(
        name + ".json",
        R"([{"name": "mine", "kind": "cpu", "memory_gib": 8, "bandwidth_gb_s": 20, "units": 2,
             "peak_tflops": {"fp32": 0.2, "bf16": 0.2}, "calibrations": [{"run": "mine-fp32",
             "device": ")" +
            name +
            R"(", "mode": "inference", "compiled": false, "precision": "fp32", "vitals": "0.1.0",
             "channels_last": false, "fused_attention": true, "low_norms": [], "batches": [1, 8],
             "factors": )" +
            factors +
            R"(, "held_out": {"fitted_models": 4, "models": 4, "median_percent": 2.5,
             "p90_percent": 6, "flops_only_median_percent": 20}, "range": [0.9, 1.1]}]}])");
  };
  const auto good = file("mine", "0.7");
  const auto own = predict_json({"predict", "vit_base_patch32_224", "--device", good});
  CHECK(own["device"] == "mine");
  CHECK(own["runs_on"] == "vitals");
  CHECK(own["calibrated"] == true);
  CHECK(own["calibration"]["vitals"] == "0.1.0");
  // 8.82 GFLOP at 0.9 of 200 GFLOP/s are 49 ms, and copies, attention and launches come on top.
  CHECK(own["step_ms"].get<double>() > 45);
  CHECK(own["step_ms"].get<double>() < 150);
  CHECK(own["memory"]["fits"] == true);
  // What PyTorch alone does is answered by its kernels, less surely.
  const auto compiled =
      predict_json({"predict", "vit_base_patch32_224", "--device", good, "--compiled"});
  CHECK(compiled["runs_on"] == "pytorch");
  CHECK(compiled["calibrated"] == false);
  CHECK(test::dumped(compiled["notes"]).find("vitals' own kernels") != std::string::npos);
  const auto far =
      predict_json({"predict", "vit_base_patch32_224", "--device", good, "--batch", "64"});
  CHECK(far["range"][1].get<double>() / far["range"][0].get<double>() >
        1.5 * own["range"][1].get<double>() / own["range"][0].get<double>());
  const auto listed = predict_json({"devices", "--device-file", good});
  CHECK(listed["devices"].back()["calibrated"][0] == "inference vitals bench fp32");

  const auto refused = [](const std::string& path) {
    const auto result = test::run({"predict", "vit_base_patch32_224", "--device", path});
    CHECK(result.exit_code == 1);
    return result.err;
  };
  CHECK(refused(file("yours", "0.7")).find("/0/calibrations/0/device: must be 'mine'") !=
        std::string::npos);
  CHECK(refused(file("mine", "0")).find("/factors/bandwidth: must be a positive number") !=
        std::string::npos);
  CHECK(refused(folder.path("none.json")).find("none.json") != std::string::npos);
  CHECK(refused(folder.write("empty.json", "[]")).find("holds 0 devices") != std::string::npos);
}

TEST_CASE("a version of PyTorch that nothing was measured with is refused, with those that were") {
  for (const char* version : {"abc", "9.9", "2", "2."}) {
    CAPTURE(version);
    const auto result =
        test::run({"predict", "vit_base_patch16_224", "--device", "rtx4090", "--pytorch", version});
    CHECK(result.exit_code == (std::string(version) == "2" ? 0 : 2));
    if (result.exit_code == 2) CHECK(test::says(result.err, "but with 1.12.1, 2.4.0, 2.9.1"));
  }
}

TEST_CASE("where the host is slower, the modules' times are said to be the device's") {
  std::vector<std::string> ask = {"predict", "vit_tiny_patch16_224", "--device", "rtx4090"};
  const auto p = predict_json(ask);
  ask.emplace_back("--details");
  REQUIRE(p["bound"] == "host");
  CHECK(p["modules_sum_to"] == "device_ms");
  CHECK(p["modules"][0]["total_ms"].get<double>() ==
        doctest::Approx(p["device_ms"].get<double>()).epsilon(1e-6));
  CHECK(p["device_ms"].get<double>() < p["step_ms"].get<double>());
  CHECK(test::says(test::run(ask).out, "The modules' times are the device's"));
}

TEST_CASE("memory and report take devices of a file, too") {
  const test::TemporaryFolder folder;
  const auto file = [&](const std::string& name, const std::string& devices) {
    return folder.write(name, "[" + devices + "]");
  };
  const auto gpu = [](const std::string& name, const std::string& memory) {
    return R"({"name": ")" + name + R"(", "memory_gib": )" + memory +
           R"(, "peak_tflops": {"fp16": 80, "fp32": 20}, "bandwidth_gb_s": 500})";
  };
  const std::string model = "vit_tiny_patch16_224";
  const auto one = file("one.json", gpu("mine", "8"));
  const auto named = predict_json({"memory", model, "--device-file", one, "--device", "mine"});
  CHECK(named["device"] == "mine");
  CHECK(named.contains("device_memory"));
  CHECK(predict_json({"memory", model, "--device", one}) == named);
  const auto fitted = predict_json({"memory", model, "--fit", one});
  CHECK(fitted["device"] == "mine");
  CHECK(fitted["fit"]["need"] <= fitted["fit"]["budget"]);
  const auto by_name = predict_json({"memory", model, "--fit", "mine", "--device-file", one});
  CHECK(by_name["fit"]["need"] == fitted["fit"]["need"]);
  CHECK(by_name["device_memory"] == fitted["device_memory"]);
  const auto page = test::run({"report", model, "--device", one});
  CHECK(page.exit_code == 0);
  CHECK(test::says(page.out, "mine"));
  CHECK(test::run({"report", model, "--device-file", one, "--device", "mine"}).out == page.out);

  const auto half = file("half.json", R"({"name": "half", "peak_tflops": {"fp16": 80},
                                         "bandwidth_gb_s": 500})");
  const auto undrawn = test::run({"report", model, "--device", half});
  CHECK(undrawn.exit_code == 1);
  CHECK(test::says(undrawn.err, "'half' states no peak in fp32"));

  // A file that lacks a device is a fault of the input, not of the usage.
  for (const char* command : {"memory", "report", "predict", "compare"}) {
    CAPTURE(command);
    std::vector<std::string> words = {command, model, "--device-file", one, "--device", "mien"};
    if (words[0] == "compare") words.push_back(model);
    const auto lacks = test::run(words);
    CHECK(lacks.exit_code == 1);
    CHECK(test::says(lacks.err, "unknown device 'mien'; did you mean 'mine'"));
  }
  CHECK(test::run({"memory", model, "--device-file", one}).exit_code == 2);

  // CUDA takes more than this card has.
  const auto tiny = file("tiny.json", gpu("tiny", "1"));
  CHECK(predict_json({"predict", model, "--device", tiny})["memory"]["fits"] == false);
  const auto none = test::run({"memory", model, "--fit", tiny});
  CHECK(none.exit_code == 3);
  CHECK(
      test::says(none.err, "not even the smallest batch fits into the tiny's 1 GiB less 1.9 GiB"));

  const auto twice = file("twice.json", gpu("mine", "8") + ", " + gpu("mine", "16"));
  const auto refused = test::run({"devices", "--device-file", twice});
  CHECK(refused.exit_code == 1);
  CHECK(test::says(refused.err, "/1/name: another device is called 'mine', too"));
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
  const auto p = predict_json({"predict", "vit_base_patch16_224", "--device-file", path, "--device",
                               "mine", "--batch", "64"});
  CHECK(p["device"] == "mine");
  // What the device has is not stated; what the step takes is known all the same.
  CHECK(p["memory"]["peak_bytes"] > 300'000'000);
  CHECK(p["memory"]["usable_bytes"].is_null());
  CHECK(p["memory"]["fits"].is_null());
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
  // No measured model has depthwise convolutions.
  const auto refused = test::run({"predict", "convnext_tiny", "--device", "rtx4090"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.find("stages.0.blocks.0.conv_dw: the time of the op 'conv' in 96 groups") !=
        std::string::npos);
  const auto unknown = predict_json({"list", "convnext_tiny", "--device", "rtx4090"});
  CHECK(unknown["models"][0]["latency"].is_null());
  const auto marked = test::run({"list", "convnext_tiny", "--device", "rtx4090"}).out;
  CHECK(test::says(marked, "samples/s"));
  CHECK(test::says(marked, "Where there is no time, `vitals predict` says why."));
  const auto beside =
      predict_json({"compare", "vit_base_patch16_224", "convnext_tiny", "--device", "rtx4090"});
  CHECK(beside["models"][0]["latency_us"].is_number());
  CHECK(beside["models"][1]["latency_us"].is_null());
  CHECK(test::run({"list", "convnext*", "--names", "--device", "rtx4090", "--sort", "latency"})
            .exit_code == 0);
  CHECK(test::run({"list", "--sort", "latency"}).exit_code == 2);
  CHECK(test::run({"list", "--batch", "8"}).exit_code == 2);
  const auto compared = predict_json({"compare", "vit_base_patch16_224", "vit_base_patch32_224",
                                      "--device", "rtx4090", "--batch", "256"});
  CHECK(test::dumped(compared).find("latency_us") != std::string::npos);
}
