// A GGUF file as MODEL of every command.
#include "support/gguf_writer.h"
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

using namespace vitals;
using test::run;

namespace {

std::string tiny_llama(const test::TemporaryFolder& folder, const char* arch = "llama") {
  test::GgufWriter w;
  const std::string prefix = std::string(arch) + ".";
  w.set("general.architecture", arch).set("general.file_type", 7U);
  w.set(prefix + "block_count", 2U).set(prefix + "context_length", 2048U);
  w.set(prefix + "embedding_length", 64U).set(prefix + "feed_forward_length", 128U);
  w.set(prefix + "attention.head_count", 4U).set(prefix + "attention.head_count_kv", 2U);
  w.set(prefix + "attention.layer_norm_rms_epsilon", 1e-6F);
  w.add({"token_embd.weight", {96, 64}, "Q8_0"}).add({"output_norm.weight", {64}});
  w.add({"output.weight", {96, 64}, "Q8_0"});
  for (const std::string blk : {"blk.0.", "blk.1."})
    w.add({blk + "attn_norm.weight", {64}})
        .add({blk + "attn_q.weight", {64, 64}, "Q8_0"})
        .add({blk + "attn_k.weight", {32, 64}, "Q8_0"})
        .add({blk + "attn_v.weight", {32, 64}, "Q8_0"})
        .add({blk + "attn_output.weight", {64, 64}, "Q8_0"})
        .add({blk + "ffn_norm.weight", {64}})
        .add({blk + "ffn_gate.weight", {128, 64}, "Q8_0"})
        .add({blk + "ffn_up.weight", {128, 64}, "Q8_0"})
        .add({blk + "ffn_down.weight", {64, 128}, "Q8_0"});
  return w.write(folder.path(std::string(arch) + ".gguf"));
}

nlohmann::json json_of(std::vector<std::string> words) {
  words.insert(words.end(), {"--format", "json"});
  const auto result = run(words);
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return test::parsed(result.out);
}

constexpr std::uint64_t kParams =
    2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64 + 2 * 64) + 2 * 96 * 64 + 64;
constexpr std::uint64_t kNorms = 5 * 64;

}  // namespace

TEST_CASE("every command that takes a model takes a GGUF file") {
  const test::TemporaryFolder folder;
  const auto path = tiny_llama(folder);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"summary", path},
           {"summary", path, "--style", "tree"},
           {"summary", path, "--style", "tensors"},
           {"flops", path, "--seq-len", "16"},
           {"list-ops", path},
           {"memory", path},
           {"memory", path, "--mode", "training", "--seq-len", "16"},
           {"memory", path, "--stack", "pytorch", "--mode", "inference", "--seq-len", "16"},
           {"predict", path, "--device", "rtx4090", "--precision", "fp16", "--seq-len", "16"},
           {"compare", path, "gpt2"},
           {"spec", path},
           {"rules", path},
           {"report", path}}) {
    const auto result = run(words);
    CAPTURE(words[0]);
    CAPTURE(result.err);
    CHECK(result.exit_code == 0);
    CHECK_FALSE(result.out.empty());
  }
}

TEST_CASE("what is stored stands in the summary, module by module") {
  const test::TemporaryFolder folder;
  const auto path = tiny_llama(folder);
  const auto s = json_of({"summary", path});
  CHECK(s["totals"]["params"] == kParams);
  const auto bytes = (kParams - kNorms) / 32 * 34 + kNorms * 4;
  CHECK(s["stored"]["bytes"] == bytes);
  CHECK(s["stored"]["formats"]["Q8_0"]["params"] == kParams - kNorms);
  std::uint64_t sum = 0;
  for (const auto& layer : s["layers"]) sum += layer["bytes"].get<std::uint64_t>();
  CHECK(sum == bytes);
  CHECK(s["notes"].dump().find("Q8_0") != std::string::npos);
  const auto t = json_of({"summary", path, "--style", "tensors"});
  CHECK(t["totals"]["tensors"] == 21);
  CHECK(t["dtypes"]["Q8_0"]["bytes"] == bytes - kNorms * 4);
}

TEST_CASE("memory answers llama.cpp's questions") {
  const test::TemporaryFolder folder;
  const auto path = tiny_llama(folder);
  const auto m = json_of({"memory", path, "--seq-len", "1024", "--device", "rtx4090"});
  CHECK(m["stack"] == "llama.cpp");
  CHECK(m["mode"] == "inference");
  CHECK(m["bytes"]["kv_cache"] == 2 * 2 * 1024 * 32 * 2);  // layers, keys and values, cells, width
  CHECK(m["fits"] == true);
  CHECK(m["most_gpu_layers"] == 3);
  CHECK(m["largest_context"] == 2048);
  std::uint64_t parts = 0;
  for (const auto& [name, value] : m["bytes"].items())
    if (name != "total") parts += value.get<std::uint64_t>();
  CHECK(m["bytes"]["total"] == parts);
  const auto q = json_of({"memory", path, "--seq-len", "1024", "--kv-dtype", "q8_0"});
  CHECK(q["bytes"]["kv_cache"] == 2 * 2 * 1024 * 32 / 32 * 34);
  const auto one = json_of({"memory", path, "--gpu-layers", "1", "--seq-len", "1024"});
  CHECK(one["per_device"]["gpu"]["kv_cache"] == 0);
  CHECK(one["per_device"]["cpu"]["kv_cache"] == m["bytes"]["kv_cache"]);
  const auto cpu = json_of({"memory", path, "--device", "cpu"});
  CHECK(cpu["per_device"]["gpu"] == nullptr);
  // What does not go together.
  CHECK(run({"memory", path, "--quantize", "Q4_K_M"}).exit_code == 1);
  CHECK(run({"memory", path, "--override-tensor", "x=disk"}).exit_code == 1);
  CHECK(run({"memory", path, "--stack", "llama.cpp", "--mode", "training"}).exit_code == 2);
  CHECK(run({"memory", "gpt2", "--kv-dtype", "q8_0"}).exit_code == 2);  // in training
  CHECK(run({"memory", path, "--kv-dtype", "fp8"}).exit_code == 1);
  CHECK(run({"memory", path, "--fail-if", "kv_cache > 1KiB"}).exit_code == 3);
}

TEST_CASE("an architecture that is not known is listed, and refused where a model is needed") {
  const test::TemporaryFolder folder;
  const auto path = tiny_llama(folder, "lama");
  const auto result = run({"summary", path});
  CHECK(result.exit_code == 0);
  CHECK(result.err.find("'lama' is not known") != std::string::npos);
  CHECK(result.out.find("blk") != std::string::npos);
  const auto flops = run({"flops", path});
  CHECK(flops.exit_code == 1);
  CHECK(flops.out.empty());
  CHECK(flops.err.find("did you mean 'llama'") != std::string::npos);
}

// 24 layers of 2 x 1024 elements a token; a block of q8_0 has 34 bytes for 32 elements.
TEST_CASE("the cache of a PyTorch model has the type that is asked for") {
  const auto cache = [](const char* type) {
    return json_of({"memory", "gpt2-medium", "--mode", "inference", "--precision", "fp16",
                    "--seq-len", "512", "--kv-dtype", type})["bytes"]["kv_cache"]
        .get<std::uint64_t>();
  };
  const std::uint64_t elements = 24ULL * 2 * 1024 * 512;
  CHECK(cache("f16") == elements * 2);
  CHECK(cache("fp8") == elements);
  CHECK(cache("f32") == elements * 4);
  CHECK(cache("q8_0") == elements / 32 * 34);
  CHECK(cache("q4_0") == elements / 32 * 18);
}
