// Optimizers beyond AdamW, and what lies on the host, by the rules of the libraries that do it.
#include "support/json.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using nlohmann::json;
namespace test = vitals::test;

namespace {

using Words = std::vector<std::string>;

json answer_of(const std::string& model, const Words& options) {
  Words words = {"memory", model, "--seq-len", "16", "--format", "json"};
  words.insert(words.end(), options.begin(), options.end());
  const auto r = test::run(words);
  CAPTURE(r.err);
  REQUIRE(r.exit_code == 0);
  return test::parsed(r.out);
}

std::uint64_t optimizer_bytes(const Words& options) {
  return answer_of("gpt2", options)["bytes"]["optimizer"].get<std::uint64_t>();
}

double highest(const json& answer) {
  const auto& device = answer.contains("per_device") ? answer["per_device"] : answer;
  return device["peak"]["bytes"].get<double>();
}

// GPT-2 (124,439,808 parameters): 12 layers of four matrices, 97 vectors, two embeddings.
constexpr std::uint64_t kMatrices = 12ULL * (768 * 2304 + 768 * 768 + 2 * 768 * 3072);
constexpr std::uint64_t kVectors = 12ULL * (2304 + 768 + 3072 + 768 + 4 * 768) + 2 * 768;
constexpr std::uint64_t kTables = 50257ULL * 768 + 1024 * 768;
constexpr std::uint64_t kTensors = 12 * 8 + 2 + 2;  // of vectors and tables

}  // namespace

// torch/optim/_muon.py takes matrices alone; embeddings and the head are AdamW's
// (kellerjordan.github.io/posts/muon).
TEST_CASE("muon: one state for a hidden matrix, AdamW's two for the rest") {
  REQUIRE(kMatrices + kVectors + kTables == 124'439'808);
  CHECK(optimizer_bytes({"--optimizer", "muon"}) ==
        4 * kMatrices + 8 * (kVectors + kTables) + 4 * kTensors);
}

// bitsandbytes/optim/optimizer.py: get_state_buffer pages what has 100,000 elements or more;
// absmax1 and absmax2 are tensors of the device in any case.
TEST_CASE("paged states are no memory of the device") {
  CHECK(optimizer_bytes({"--optimizer", "paged-adamw32bit"}) == 8 * kVectors);
  CHECK(optimizer_bytes({"--optimizer", "paged-adamw8bit"}) ==
        8 * kVectors + 8 * (kMatrices / 2048 + (50257 * 768 + 2047) / 2048 + 1024 * 768 / 2048));
}

TEST_CASE("what is offloaded is not on the device, and never costs it memory") {
  const Words sharded = {"--dp", "4", "--fsdp", "2", "--stack", "pytorch"};
  const auto with = [](Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const auto plain = answer_of("gpt2", {});
  const auto states = answer_of("gpt2", {"--offload", "optimizer"});
  CHECK(states["bytes"]["optimizer"] == 0);
  CHECK(states["offload"]["optimizer"] == true);
  CHECK(highest(states) < highest(plain));
  const auto large = answer_of("gpt2", {"--batch", "64"});
  const auto kept = answer_of("gpt2", {"--batch", "64", "--offload", "activations"});
  CHECK(kept["activations"]["saved"].get<double>() <
        0.01 * large["activations"]["saved"].get<double>());
  CHECK(highest(kept) < highest(large));
  CHECK(highest(answer_of("gpt2", {"--batch", "64", "--offload", "optimizer,activations"})) <
        highest(kept));
  const auto units = answer_of("gpt2", sharded);
  const auto away = answer_of("gpt2", with(sharded, {"--offload", "weights"}));
  for (const char* part : {"weights", "gradients", "optimizer"})
    CHECK(away["per_device"][part] == 0);
  CHECK(highest(away) < highest(units));
  CHECK_FALSE(plain.contains("offload"));
}

// accelerate's cpu_offload brings in one module with weights of its own at a time: at the highest
// moment the largest of them, the tied table that is the head.
TEST_CASE("offloaded weights of inference come in module by module") {
  const auto whole = answer_of("gpt2", {"--mode", "inference", "--precision", "fp32"});
  const auto away =
      answer_of("gpt2", {"--mode", "inference", "--precision", "fp32", "--offload", "weights"});
  CHECK(away["bytes"]["weights"] == 0);
  const auto saved = 4.0 * (124'439'808 - 50257 * 768);
  CHECK(highest(whole) - highest(away) == doctest::Approx(saved).epsilon(0.01));
}

TEST_CASE("offloads that no library has are refused, with what is possible") {
  const auto message = [](Words words) {
    words.insert(words.begin(), {"memory", "gpt2"});
    const auto r = test::run(words);
    CHECK(r.exit_code == 2);
    CHECK(r.out.empty());
    return r.err;
  };
  CHECK(test::says(message({"--offload", "weigths"}), "did you mean 'weights'"));
  CHECK(test::says(message({"--offload", "weights"}), "--fsdp or --zero 3"));
  CHECK(test::says(message({"--offload", "optimizer", "--dp", "2", "--fsdp", "2"}),
                   "--offload weights"));
  CHECK(test::says(message({"--offload", "optimizer", "--mode", "inference"}),
                   "weights can be offloaded"));
}
