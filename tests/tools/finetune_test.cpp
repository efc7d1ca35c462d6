// Peaks of fine-tuning that were measured on A100s: full, LoRA, QLoRA and GPTQ-LoRA, on one GPU and
// under FSDP (tests/data/memory/README.md). What `within` grants is what is not modelled: that
// experts get unequal shares of the tokens, and adapters that the measurement leaves out.
#include "support/json.h"
#include "support/published.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

using nlohmann::json;
namespace test = vitals::test;

namespace {

using Words = std::vector<std::string>;

json memory_of(const json& config, Words options) {
  options.insert(options.begin(), {"memory", "-"});
  options.insert(options.end(), {"--format", "json"});
  const auto r = test::run(options, test::dumped(config));
  CAPTURE(r.err);
  REQUIRE(r.exit_code == 0);
  return test::parsed(r.out);
}

double peak(const json& answer) {
  const auto& device = answer.contains("per_device") ? answer["per_device"] : answer;
  return device["peak"]["bytes"].get<double>();
}

// Parameters that adapters of a built-in model train, and the layers that they stand beside.
std::pair<std::uint64_t, json> lora(const char* model, const char* rank, const char* targets) {
  Words words = {"memory", model, "--seq-len", "16", "--lora-rank", rank, "--format", "json"};
  if (targets[0] != '\0') words.insert(words.end(), {"--lora-targets", targets});
  const auto answer = test::parsed(test::run(words).out);
  return {answer["trained_params"].get<std::uint64_t>(), answer["trained"]["lora"]["targets"]};
}

json tiny() {
  return {{"model_type", "llama"},       {"hidden_size", 64},
          {"num_hidden_layers", 4},      {"num_attention_heads", 4},
          {"num_key_value_heads", 2},    {"intermediate_size", 256},
          {"vocab_size", 1000},          {"max_position_embeddings", 512},
          {"tie_word_embeddings", false}};
}

}  // namespace

TEST_CASE("measured peaks of fine-tuning") {
  std::vector<double> errors;
  for (const auto& fact : test::facts("memory/finetune.json")) {
    CAPTURE(fact["id"].get<std::string>());
    const auto predicted = peak(memory_of(fact["config"], fact["options"].get<Words>()));
    const auto measured = fact["peak"].get<double>();
    CHECK(predicted == doctest::Approx(measured).epsilon(fact["within"].get<double>()));
    errors.push_back(std::abs(predicted / measured - 1));
  }
  REQUIRE(errors.size() > 50);
  std::sort(errors.begin(), errors.end());
  CHECK(errors[errors.size() / 2] < 0.0001);
}

// The published derivation of what stands on one GPU after a step of full fine-tuning in bf16: 6
// bytes a parameter, and 10 at the highest moment of foreach AdamW.
TEST_CASE("the highest moment of a foreach step is 10 bytes a parameter") {
  const auto j = memory_of(tiny(), {"--stack", "transformers", "--precision", "bf16",
                                    "--checkpoint", "block", "--seq-len", "8"});
  const auto params = j["params"].get<double>();
  const auto fixed = 2 * 8'519'680 + 3 * 512;  // cuBLAS's workspaces; ids, mask and labels
  const auto& step = j["phases"]["optimizer"]["peak"];
  // Every tensor is rounded up to 512 bytes.
  CHECK(step.get<double>() - fixed >= 10 * params);
  CHECK(step.get<double>() - fixed < 10 * params + 40 * 5 * 512);
  const auto fused =
      memory_of(tiny(), {"--stack", "transformers", "--precision", "bf16", "--checkpoint", "block",
                         "--seq-len", "8", "--optimizer-impl", "fused"});
  CHECK(step > fused["phases"]["optimizer"]["peak"]);
}

// 2h(L-2)T bytes that FSDP 1's reshard hook keeps of a frozen model, and FSDP 2 does not.
TEST_CASE("FSDP 1 keeps inputs and gradients of frozen units until the backward pass ends") {
  const auto at = [](const char* version) {
    return peak(memory_of(tiny(), {"--stack",        "transformers",
                                   "--precision",    "bf16",
                                   "--checkpoint",   "block",
                                   "--seq-len",      "512",
                                   "--batch",        "8",
                                   "--lora-rank",    "2",
                                   "--lora-targets", "q_proj",
                                   "--loss",         "fused-linear",
                                   "--dp",           "2",
                                   "--fsdp",         version}));
  };
  CHECK(at("1") - at("2") > 0);
}

TEST_CASE("the total is never below the peak") {
  for (const Words& recipe :
       {Words{"--freeze", "."}, Words{"--checkpoint", "block"}, Words{"--precision", "bf16"},
        Words{"--lora-rank", "2", "--lora-targets", "q_proj"}, Words{"--attention", "eager"},
        Words{"--mode", "inference"}, Words{"--stack", "transformers", "--accumulate", "2"},
        Words{"--stack", "transformers", "--dp", "2", "--fsdp", "1"},
        Words{"--optimizer", "adafactor", "--dp", "4", "--zero", "3"},
        Words{"--loss", "chunked", "--stack", "pytorch"}}) {
    CAPTURE(recipe.back());
    const auto j = memory_of(tiny(), recipe);
    CHECK(j["bytes"]["total"] >= j["peak"]["bytes"]);
    if (!j.contains("per_device")) continue;
    CHECK(j["per_device"]["total"] >= j["per_device"]["peak"]["bytes"]);
  }
}

// What PEFT printed as "trainable params" in public reports: Qwen2.5-7B, all seven projections, r
// 8; Mixtral, all linear layers with the experts', r 16; Llama-2-7B's sizes with PEFT's own
// targets, r 16; a ViT-B/16 of transformers with a head of 101 classes beside the adapters, r 16.
TEST_CASE("adapters train what PEFT says, by the names of the user's library") {
  CHECK(lora("qwen2.5-7b", "8", "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj").first ==
        20'185'088);
  CHECK(lora("mixtral-8x7b", "16", "all-linear").first == 242'225'152);
  CHECK(lora("mixtral-8x7b", "16", "q_proj, k_proj, v_proj, o_proj, gate, w1, w2, w3").first ==
        242'225'152);
  CHECK(lora("llama-2-7b", "16", "").first == 8'388'608);
  const json vit = {
      {"model_type", "vit"}, {"architectures", {"ViTForImageClassification"}}, {"num_labels", 101}};
  CHECK(memory_of(vit, {"--lora-rank", "16", "--lora-targets", "query, value", "--train",
                        "classifier"})["trained_params"] == 667'493);
}

// TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING of peft/utils/constants.py.
TEST_CASE("adapters stand beside what PEFT adapts by default") {
  CHECK(lora("gpt2", "8", "").second == json({"c_attn"}));
  CHECK(lora("llama-3-8b", "8", "").second == json({"q_proj", "v_proj"}));
  CHECK(lora("bert-base-uncased", "8", "").second == json({"query", "value"}));
  CHECK(lora("phi-2", "8", "").second == json({"fc1", "fc2", "q_proj", "v_proj"}));
}

// bert-base: BertAttention holds BertSelfOutput's LayerNorm.
TEST_CASE("a module of the tree is what its path freezes") {
  const std::string bert = "bert-base-uncased";
  const std::string path = "encoder.layer.0.attention";
  const Words all = {"memory", bert, "--seq-len", "16", "--format", "json"};
  auto part = all;
  part.insert(part.end(), {"--freeze", path});
  const auto trained = [](const Words& words) {
    return test::parsed(test::run(words).out)["trained_params"].get<int>();
  };
  CHECK(trained(all) - trained(part) == 2'363'904);
  const auto tree = test::run({"summary", bert, "--style", "tree", "--depth", "5"}).out;
  CHECK(test::says(tree, "Attention     [1, 512, 768]              2,363,904"));
}

// Files of llama.cpp and of the publisher: 12.83 GiB with the rest in 16 bits, 11.27 GiB in Q8_0.
TEST_CASE("experts that are published in MXFP4 are not quantised again") {
  const auto gib = [](const char* scheme) {
    const auto r = test::run({"memory", "gpt-oss-20b", "--mode", "inference", "--seq-len", "16",
                              "--quantize", scheme, "--format", "json"});
    return test::parsed(r.out)["bytes"]["weights"].get<double>() / (1 << 30);
  };
  CHECK(gib("BF16") == doctest::Approx(12.83).epsilon(0.0005));
  CHECK(gib("Q8_0") == doctest::Approx(11.27).epsilon(0.0005));
  CHECK(gib("mxfp4") == doctest::Approx(12.82).epsilon(0.0005));
  CHECK(gib("Q4_K_M") < gib("Q8_0"));
}

TEST_CASE("inference runs in the type that the model is loaded in") {
  const auto precision = [](const json& config) {
    return memory_of(config, {"--mode", "inference"})["precision"];
  };
  auto config = tiny();
  CHECK(precision(config) == "bf16");
  config["torch_dtype"] = "float16";
  CHECK(precision(config) == "fp16");
  config["dtype"] = "float32";
  CHECK(precision(config) == "fp32");
  CHECK(precision({{"model_type", "vit"}}) == "fp32");
  // Stored weights of few bits have no copies: what is not stored is less than they are.
  const auto r = test::run(
      {"memory", "mpt-7b", "--mode", "inference", "--quantize", "Q4_K_M", "--format", "json"});
  const auto bytes = test::parsed(r.out)["bytes"];
  CHECK(bytes["total"].get<double>() < 1.5 * bytes["weights"].get<double>());
  // The T4 has no bf16.
  const auto old = test::run({"memory", "llama-3.2-1b", "--mode", "inference", "--seq-len", "16",
                              "--device", "t4", "--format", "json"});
  CHECK(test::parsed(old.out)["precision"] == "fp16");
}

TEST_CASE("what no stack does is refused with what is possible") {
  const auto refused = [](Words options, const char* words) {
    options.insert(options.begin(), {"memory", "gpt2"});
    const auto r = test::run(options);
    CAPTURE(words);
    CHECK(r.exit_code == 2);
    CHECK(r.out.empty());
    CHECK(test::says(r.err, words));
  };
  refused({"--quantize", "nf4"}, "adapters beside them are, with --lora-rank");
  refused({"--precision", "bf16", "--weights", "bf16"}, "--weights is for --precision amp");
  refused({"--dp", "2", "--fsdp", "1", "--zero", "3"}, "two ways to shard");
  refused({"--lora-rank", "2", "--lora-targets", "c_attn", "--lora-dropout", "1"}, "below 1");
}

// Keys and values of one token of one sequence: 2 x 32 layers x 8 heads x 128 x 2 bytes.
TEST_CASE("the KV cache per token does not depend on the batch") {
  for (const char* batch : {"1", "3"}) {
    const auto r = test::run({"memory", "llama-3-8b", "--mode", "inference", "--precision", "bf16",
                              "--seq-len", "64", "--batch", batch, "--format", "json"});
    CHECK(test::parsed(r.out)["kv_cache"]["bytes_per_token"] == 131'072);
  }
}

// One function and one set of assumptions: the allocator's need, and the reserve.
TEST_CASE("memory and predict give one verdict on a device") {
  const auto answer = [](Words words) {
    words.insert(words.end(), {"--format", "json"});
    const auto r = test::run(words);
    CAPTURE(r.err);
    REQUIRE(r.exit_code == 0);
    return test::parsed(r.out);
  };
  const std::string vit = "vit_tiny_patch16_224";
  const auto fit = answer({"memory", vit, "--mode", "inference", "--fit", "rtx4090"});
  const auto best = fit["fit"]["batch"].get<std::uint64_t>();
  REQUIRE(best > 1);
  for (const auto batch : {best, best + 1, best * 2}) {
    CAPTURE(batch);
    const bool fits = batch <= best;
    const auto size = std::to_string(batch);
    const Words on = {vit, "--device", "rtx4090", "--batch", size, "--attention", "fused"};
    auto memory = on;
    memory.insert(memory.begin(), "memory");
    memory.insert(memory.end(), {"--mode", "inference"});
    auto predict = on;
    predict.insert(predict.begin(), "predict");
    CHECK(answer(memory)["fits"] == fits);
    CHECK(answer(predict)["fits"] == fits);
  }
  auto compared = answer({"compare", vit, "vit_small_patch16_224", "--device", "rtx4090", "--batch",
                          std::to_string(2 * best), "--attention", "fused"});
  CHECK(compared["models"][0]["fits"] == false);
}

TEST_CASE("devices that are not NVIDIA's are not called CUDA") {
  for (const auto* device : {"m2-max", "mi300x"}) {
    const auto r = test::run({"memory", "vit_tiny_patch16_224", "--device", device});
    CAPTURE(r.err);
    CHECK(r.exit_code == 0);
    CHECK_FALSE(test::says(r.out, "for CUDA,"));
    CHECK_FALSE(test::says(r.out, "flash kernel"));
  }
  for (const auto* command : {"memory", "predict"}) {
    const auto r =
        test::run({command, "vit_tiny_patch16_224", "--device", "t4", "--precision", "bf16"});
    CAPTURE(command);
    CHECK(r.exit_code == 1);
    CHECK(r.out.empty());
    CHECK(test::says(r.err, "NVIDIA T4 has no matrix units for bfloat16"));
  }
}

// What --pp tells of each stage; the most loaded one is the answer.
TEST_CASE("every pipeline stage has its peak") {
  const auto j = memory_of(tiny(), {"--stack", "megatron", "--precision", "mixed18", "--pp", "2",
                                    "--micro-batches", "4", "--batch", "4"});
  const auto& device = j["per_device"];
  REQUIRE(device["stages"].size() == 2);
  std::uint64_t most = 0;
  for (const auto& stage : device["stages"])
    most = std::max<std::uint64_t>(most, stage["peak"]["bytes"]);
  CHECK(device["peak"]["bytes"] == most);
}
