// What flops and memory say of language models on the command line: numbers that others published,
// and what the options change.
#include "support/json.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace vitals;
using nlohmann::json;

namespace {

json answer(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  const auto result = test::run(arguments);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  return test::parsed(result.out);
}

json inference(std::vector<std::string> more) {
  more.insert(more.begin(), "memory");
  more.insert(more.end(), {"--mode", "inference", "--precision", "bf16"});
  return answer(more);
}

}  // namespace

TEST_CASE("forward passes that calflops and nanoGPT count") {
  CHECK(answer({"flops", "llama-7b", "--seq-len", "128"})["macs"] == 850'000'871'424);
  // nanoGPT's transformer_sizing.ipynb: GPT-2 124M on 1,024 tokens.
  CHECK(answer({"flops", "gpt2", "--seq-len", "1024"})["flops"] == 291'648'307'200);
}

TEST_CASE("memory keeps the keys and values of prompt and answer") {
  // 40 GiB, as gguf-parser states it.
  const auto whole = inference({"llama-3-70b", "--seq-len", "131072"});
  CHECK(whole["bytes"]["kv_cache"] == 42'949'672'960);
  CHECK(whole["kv_cache"]["bytes"] == whole["bytes"]["kv_cache"]);
  // Fused attention needs no mask of tokens by tokens.
  CHECK(whole["bytes"]["workspace"].get<std::uint64_t>() < std::uint64_t{1} << 30);
  const auto split = inference({"llama-3-70b", "--seq-len", "1024", "--new-tokens", "130048"});
  CHECK(split["bytes"]["kv_cache"] == whole["bytes"]["kv_cache"]);
  CHECK(split["peak"]["bytes"] < whole["peak"]["bytes"]);
  // A window of 4,096.
  const auto sliding = inference({"mistral-7b-v0.1", "--seq-len", "8192"});
  CHECK(sliding["bytes"]["kv_cache"] == 32 * 2 * 8 * 128 * 4096 * 2ULL);
  for (const auto& layer : sliding["kv_cache"]["layers"]) CHECK(layer["tokens"] == 4096);
  // The encoder's 1,500 frames, and the tokens of the decoder with the one that it begins with.
  const auto whisper = inference({"whisper-tiny", "--new-tokens", "99"});
  CHECK(whisper["bytes"]["kv_cache"] == 4 * 2 * 384 * (1500 + 100) * 2);
}

TEST_CASE("latent attention keeps its latent, or all heads") {
  const std::vector<std::string> model = {"deepseek-v2-lite", "--seq-len", "1000"};
  auto small = model;
  small.insert(small.end(), {"--latent-cache", "compressed"});
  CHECK(inference(model)["bytes"]["kv_cache"] == 27 * 16 * (192 + 128) * 1000 * 2);
  CHECK(inference(small)["bytes"]["kv_cache"] == 27 * (512 + 64) * 1000 * 2);
}

TEST_CASE("weights take the bytes that their scheme says") {
  const auto plain = inference({"llama-3.1-8b", "--seq-len", "16"});
  CHECK(plain["bytes"]["weights"] == 2 * 8'030'261'248ULL);
  const auto mixed = inference({"llama-3.1-8b", "--seq-len", "16", "--quantize", "q4_k_m"});
  CHECK(mixed["bytes"]["weights"] == mixed["quantization"]["bytes"]);
  // llama.cpp's table: 4.8944 bits a weight.
  CHECK(mixed["quantization"]["bits_per_param"].get<double>() ==
        doctest::Approx(4.8944).epsilon(1e-5));
  CHECK(plain["peak"]["bytes"].get<std::uint64_t>() - mixed["peak"]["bytes"].get<std::uint64_t>() ==
        plain["bytes"]["weights"].get<std::uint64_t>() -
            mixed["bytes"]["weights"].get<std::uint64_t>());
}

TEST_CASE("what generates nothing has no tokens to write, and training writes none") {
  const auto vit =
      test::run({"memory", "vit_base_patch16_224", "--mode", "inference", "--new-tokens", "3"});
  CHECK(vit.exit_code == 1);
  CHECK(vit.err.find("generates no text") != std::string::npos);
  const auto training = test::run({"memory", "gpt2", "--new-tokens", "3"});
  CHECK(training.exit_code == 2);
  CHECK(training.out.empty());
  CHECK(training.err.find("--mode inference") != std::string::npos);
  const auto unknown = test::run({"memory", "gpt2", "--mode", "inference", "--quantize", "nf5"});
  CHECK(unknown.exit_code == 2);
  CHECK(unknown.err.find("did you mean 'nf4'") != std::string::npos);
}
