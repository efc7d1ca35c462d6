// `vitals memory` as a user runs it.
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using nlohmann::json;
using vitals::test::run;
namespace test = vitals::test;

namespace {

using Words = std::vector<std::string>;

json memory_json(Words words) {
  words.insert(words.begin(), "memory");
  words.insert(words.end(), {"--format", "json"});
  const auto r = run(words);
  CAPTURE(r.err);
  REQUIRE(r.exit_code == 0);
  return test::parsed(r.out);
}

std::uint64_t sum(const json& object) {
  std::uint64_t bytes = 0;
  for (const auto& value : object) bytes += value.get<std::uint64_t>();
  return bytes;
}

void check_refused(Words words, int exit_code, const std::string& message) {
  words.insert(words.begin(), "memory");
  const auto r = run(words);
  CAPTURE(message);
  CHECK(r.exit_code == exit_code);
  CHECK(r.out.empty());
  CHECK(r.err.find(message) != std::string::npos);
}

}  // namespace

TEST_CASE("memory: the parts of its JSON sum up") {
  for (const auto* model :
       {"vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "eva02_tiny_patch14_224",
        "beit_base_patch16_224", "mixer_s32_224", "deit_tiny_distilled_patch16_224"})
    for (const auto* mode : {"training", "inference"}) {
      CAPTURE(model);
      CAPTURE(mode);
      const auto j = memory_json({model, "--mode", mode, "--batch", "3"});
      auto parts = j["bytes"];
      const auto total = parts["total"].get<std::uint64_t>();
      parts.erase("total");
      CHECK(sum(parts) == total);
      CHECK(sum(j["activations"]["by_type"]) == j["activations"]["saved"].get<std::uint64_t>());
      CHECK(sum(j["peak"]["by_kind"]) == j["peak"]["bytes"].get<std::uint64_t>());
      std::uint64_t high = 0;
      for (const auto& point : j["timeline"]) high = std::max<std::uint64_t>(high, point["high"]);
      CHECK(high == j["peak"]["bytes"].get<std::uint64_t>());
      const auto params = j["params"].get<std::uint64_t>();
      CHECK(j["bytes"]["weights"] == 4 * params);
      CHECK(j["rule_of_thumb"]["inference_2phi"] == 2 * params);
      CHECK(j["rule_of_thumb"]["training_20phi"] == 20 * params);
      CHECK(j["mode"] == mode);
      CHECK(j["batch"] == 3);
      CHECK(j["precision"] == (j["mode"] == "training" ? "amp" : "fp32"));
      CHECK(j["attention"] == "fused");
    }
}

TEST_CASE("memory: the text answers, and --details says all that was assumed") {
  const auto r =
      run({"memory", "vit_base_patch16_224", "--batch", "64", "--timeline", "--details"});
  CHECK(r.exit_code == 0);
  const auto at = [&](const char* words) { return r.out.find(words); };
  CHECK(at("vit_base_patch16_224: training needs 7.3") == 0);
  for (const auto* words : {"assumed  amp", "assumed", "part ", "at the highest moment", "module ",
                            "rule of thumb", "forward", "optimizer"})
    CHECK(at(words) != std::string::npos);
  CHECK(at("assumed  amp") < at("part "));
}

TEST_CASE("memory: a batch that fits, and advice where none does") {
  const auto j = memory_json({"vit_base_patch16_224", "--fit", "16GiB"});
  const auto& fit = j["fit"];
  CHECK(fit["budget"] == 16ULL << 30);
  CHECK(fit["batch"] == j["batch"]);
  CHECK(fit["need"] == j["peak"]["bytes"]);
  CHECK(fit["need"] <= fit["budget"]);
  CHECK(fit["next_need"] > fit["budget"]);
  CHECK(!fit["advice"].empty());

  // 1.0 billion parameters are 15 GiB of fp32 states.
  const auto r = run({"memory", "vit_giant_patch14_224", "--fit", "12GB"});
  CHECK(r.exit_code == 3);
  CHECK(r.out.empty());
  for (const auto* words : {"not even the smallest batch fits into 12GB", "--optimizer adamw8bit",
                            "--dp 8 --zero 3", "saves"})
    CHECK(r.err.find(words) != std::string::npos);
}

// It has no queries and values that PEFT would adapt: nothing of the kind is advised.
TEST_CASE("memory: a network without attention is searched, too") {
  const auto j = memory_json({"resnet50", "--fit", "rtx3090"});
  CHECK(j["fit"]["batch"] > 0);
  for (const auto& advice : j["fit"]["advice"])
    CHECK_FALSE(test::says(advice["change"].get<std::string>(), "--lora-rank"));
}

TEST_CASE("memory: a GPU's name asks its allocator, too") {
  const auto j = memory_json({"vit_base_patch16_224", "--fit", "rtx3090", "--mode", "inference"});
  const auto& need = j["device_memory"];
  CHECK(need["total"] ==
        need["allocator"].get<std::uint64_t>() + need["reserve"].get<std::uint64_t>());
  CHECK(need["allocator"] == j["fit"]["need"]);
  CHECK(need["allocator"] > j["peak"]["bytes"]);
  CHECK(need["total"] <= 24ULL << 30);
  CHECK(!memory_json({"vit_base_patch16_224"}).contains("device_memory"));
}

// Terms sum to what they explain, and the whole model to what the report says.
TEST_CASE("memory: every byte can be explained") {
  const Words recipe{"vit_tiny_patch16_224", "--attention", "eager", "--batch", "2"};
  const auto report = memory_json(recipe);
  for (const auto* path : {".", "blocks", "blocks.0.attn", "blocks.0.attn.qkv", "norm"}) {
    CAPTURE(path);
    auto words = recipe;
    words.insert(words.end(), {"--explain", path});
    const auto e = memory_json(words);
    CHECK(e["quantities"].size() == 4);
    for (const auto& q : e["quantities"]) {
      std::uint64_t terms = 0;
      for (const auto& term : q["terms"]) terms += term["value"].get<std::uint64_t>();
      CHECK(terms == q["value"].get<std::uint64_t>());
      if (std::string(path) != ".") continue;
      const auto name = q["name"].get<std::string>();
      CHECK(q["value"] ==
            (name == "activations" ? report["activations"]["saved"] : report["bytes"][name]));
    }
  }
  check_refused({"vit_tiny_patch16_224", "--explain", "blocks.0.atn"}, 1,
                "did you mean 'blocks.0.attn'");
}

TEST_CASE("memory: what each device holds") {
  const auto j = memory_json({"vit_base_patch16_224", "--dp", "4", "--zero", "2", "--tp", "2"});
  CHECK(j["per_device"]["devices"] == 8);
  CHECK(j["per_device"]["weights"] < j["bytes"]["weights"]);
  CHECK(!memory_json({"vit_base_patch16_224"}).contains("per_device"));
}

TEST_CASE("memory: faults") {
  const std::string vit = "vit_base_patch16_224";
  check_refused({vit, "--batch", "0"}, 2, "--batch");
  check_refused({vit, "--device", "rtx3091"}, 2, "did you mean 'rtx3090'");
  check_refused({vit, "--optimizer", "adamv"}, 2, "--optimizer");
  check_refused({vit, "--tp", "5"}, 1, "--tp 5 does not divide the 12 heads");
  check_refused({vit, "--pp", "5"}, 1, "--pp 5 does not divide the 12 blocks");
  check_refused({vit, "--batch", "4", "--micro-batches", "3"}, 1, "does not divide the batch of 4");
  check_refused({vit, "--lora-rank", "4", "--lora-targets", "qvk"}, 1, "did you mean 'qkv'");
  check_refused({vit, "--lora-targets", "qkv"}, 2, "--lora-targets requires --lora-rank");
  check_refused({"resnet50", "--lora-rank", "4"}, 1, "name the layers with --lora-targets");
  check_refused({vit, "--freeze", "block"}, 1, "did you mean 'blocks'");
  check_refused({vit, "--zero", "2"}, 2, "--zero requires --dp");
  check_refused({vit, "--interleave", "2"}, 2, "--interleave requires --pp");
  check_refused({vit, "--allocator", "--device", "cpu"}, 2, "--allocator");
  check_refused({vit, "--fit", "24"}, 2, "24GB (10^9 bytes)");
  check_refused({vit, "--fit", "24XB"}, 2, "neither a size");
  check_refused({vit, "--fit", "24GB", "--batch", "2"}, 2, "leave out --batch");
  check_refused({vit, "--fit", "24GB", "--device", "rtx3090"}, 2, "two budgets");
  check_refused({vit, "--fit", "rtx4090", "--device", "rtx3090"}, 2, "two budgets");
  check_refused({vit, "--fit", "rtx4090", "--device", "cpu"}, 2, "two kinds of device");
  check_refused({vit, "--freeze", ""}, 2, "--freeze: the path is empty");
  check_refused({"gpt2", "--mode", "inference", "--seq-len", "1024", "--new-tokens", "1"}, 1,
                "1025 tokens are more than its 1024 learned positions");
  const auto r = run({"memory", vit, "--mode", "inference", "--checkpoint", "block"});
  CHECK(r.exit_code == 0);
  CHECK(r.err.find("--checkpoint changes nothing") != std::string::npos);
}

TEST_CASE("memory: --fit of a device is a step on that device") {
  const auto fitted = memory_json({"vit_tiny_patch16_224", "--fit", "rtx3090"});
  CHECK(fitted["device"] == "rtx3090");
  CHECK(memory_json({"vit_tiny_patch16_224", "--fit", "rtx3090", "--device", "rtx3090"}) == fitted);
  CHECK(memory_json({"vit_tiny_patch16_224", "--fit", "rtx3090", "--device", "cuda"})["fit"] ==
        fitted["fit"]);
}

TEST_CASE("memory: what is trained is among the assumptions") {
  const auto lora =
      run({"memory", "vit_tiny_patch16_224", "--lora-rank", "8", "--lora-targets", "qkv,proj"});
  CHECK(test::says(lora.out, "LoRA of rank 8 beside qkv, proj"));
  const Words frozen = {"vit_tiny_patch16_224", "--freeze", "blocks", "--freeze", "pos_embed"};
  CHECK(memory_json(frozen)["trained"]["frozen"] == json{"blocks", "pos_embed"});
  CHECK(test::says(run({"memory", "vit_tiny_patch16_224", "--freeze", "blocks"}).out,
                   "blocks frozen"));
  CHECK(memory_json({"vit_tiny_patch16_224", "--freeze", "."})["trained_params"] == 0);
}

TEST_CASE("memory: nothing is listed that cannot be there") {
  const auto vit = run({"memory", "vit_tiny_patch16_224", "--mode", "inference"});
  CHECK_FALSE(test::says(vit.out, "kv cache"));
  CHECK(test::says(run({"memory", "gpt2", "--mode", "inference"}).out, "kv cache"));
}

TEST_CASE("memory: a measured peak stands beside the predicted one") {
  const test::TemporaryFolder folder;
  const std::string vit = "vit_tiny_patch16_224";
  folder.write("stats.json", R"({"allocated_bytes.all.peak": 100000000, "num_ooms": 0})");
  const auto j = memory_json({vit, "--measured", folder.path("stats.json")});
  CHECK(j["measured"]["peak"] == 100'000'000);
  CHECK(j["measured"]["predicted_peak"] == j["peak"]["bytes"]);
  folder.write("trace.json", R"({"segments": [{"device": 0, "allocated_size": 5000}],
      "device_traces": [[{"action": "alloc", "addr": 1, "size": 3000, "frames": []},
                         {"action": "alloc", "addr": 2, "size": 4000, "frames": []},
                         {"action": "free_requested", "addr": 2, "size": 4000},
                         {"action": "free_completed", "addr": 2, "size": 4000}]]})");
  const auto t = memory_json({vit, "--measured", folder.path("trace.json")})["measured"];
  CHECK(t["start"] == 2000);
  CHECK(t["peak"] == 9000);
  CHECK(t["end"] == 5000);
  CHECK(t["then"]["measured"].is_null());
  for (const auto& [text, message] :
       {std::pair{"{}", "has neither 'allocated_bytes.all.peak'"},
        {R"({"device_traces": [[]]})", "_record_memory_history() before the step"},
        {R"({"device_traces": [[{"action": "alloc"}]]})", "/device_traces/0/0/size"},
        {R"({"allocated_bytes.all.peak": -1})", "must be a whole number of bytes"}}) {
    folder.write("wrong.json", text);
    check_refused({vit, "--measured", folder.path("wrong.json")}, 1, message);
  }
}

// What the answer names runs: the batch fits, and the next one does not.
TEST_CASE("memory: --fit names the command for what fits") {
  const auto verdict = [](std::string command, int more) {
    Words words;
    std::istringstream text(command);
    for (std::string word; text >> word;) words.push_back(word);
    words.erase(words.begin());
    const auto batch = std::find(words.begin(), words.end(), "--batch") + 1;
    *batch = std::to_string(std::stoi(*batch) + more);
    words.insert(words.end(), {"--format", "json"});
    return json::parse(run(words).out)["fits"] == true;
  };
  const auto found = memory_json({"vit_base_patch16_224", "--attention", "eager", "--fit", "t4"});
  const auto command = found["fit"]["command"].get<std::string>();
  CHECK(command.find("--attention eager") != std::string::npos);
  CHECK(verdict(command, 0));
  CHECK_FALSE(verdict(command, 1));

  // Nothing fits as asked, but with a change.
  const auto r = run({"memory", "mistral-7b-v0.1", "--quantize", "nf4", "--lora-rank", "16",
                      "--seq-len", "4096", "--fit", "rtx4090"});
  CHECK(r.exit_code == 3);
  const std::string before = "The least change that fits: ";
  const auto at = r.err.find(before);
  REQUIRE(at != std::string::npos);
  const auto begin = at + before.size();
  const auto changed = r.err.substr(begin, r.err.find('\n', begin) - begin);
  CHECK(verdict(changed, 0));
  CHECK_FALSE(verdict(changed, 1));
}

// peft/utils/constants.py: q_proj and v_proj of Llama; "all-linear" is all but the head, which here
// uses the embedding's table.
TEST_CASE("memory: adapters where PEFT puts them by default") {
  const auto targets = [](const Words& words) {
    return memory_json(words)["trained"]["lora"]["targets"];
  };
  CHECK(targets({"llama-3.2-1b", "--lora-rank", "8"}) == json{"q_proj", "v_proj"});
  CHECK(targets({"gpt2", "--lora-rank", "8"}) == json{"c_attn"});
  // 12 layers of c_attn (768 + 2304), c_proj (768 + 768), c_fc and c_proj (768 + 3072 each).
  CHECK(
      memory_json({"gpt2", "--lora-rank", "8", "--lora-targets", "all-linear"})["trained_params"] ==
      12 * 8 * (768 + 2304 + 768 + 768 + 2 * (768 + 3072)));
}
