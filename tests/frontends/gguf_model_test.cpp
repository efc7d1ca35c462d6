// GGUF files as models: files are written by the reader's inverse, with the metadata that
// llama.cpp's converter writes for published models; counts of tensors and parameters are those
// that llama.cpp prints when it loads them.
#include "cost/rollup.h"
#include "frontends/gguf/architectures.h"
#include "frontends/gguf/model.h"
#include "frontends/spec/load.h"
#include "frontends/spec/spec.h"
#include "memory/quantized/quantization.h"
#include "support/gguf_writer.h"
#include "support/json.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>

using namespace vitals;
using nlohmann::json;
using test::GgufTensor;
using test::GgufWriter;

namespace {

GgufWriter with_metadata(const std::string& arch, const json& metadata) {
  GgufWriter w;
  w.set("general.architecture", arch);
  for (const auto& [key, value] : metadata.items()) {
    const auto name = arch + "." + key;
    if (value.is_boolean())
      w.set(name, value.get<bool>());
    else if (value.is_number_float())
      w.set(name, value.get<float>());
    else if (value.is_array())
      w.set(name, value.get<std::vector<bool>>());
    else
      w.set(name, value.get<std::uint32_t>());
  }
  return w;
}

}  // namespace

// The tensors of Llama 3.1 8B with the types of the mix Q4_K_M, as llama.cpp's loader lists and
// places them: 292 tensors, "CPU buffer size = 281.81 MiB", "CUDA0 buffer size = 4403.49 MiB".
TEST_CASE("Llama 3.1 8B in Q4_K_M: parameters, bytes of each, and llama.cpp's buffers") {
  auto w = with_metadata("llama", json::parse(R"({"block_count":32,"context_length":131072,
    "embedding_length":4096,"feed_forward_length":14336,"attention.head_count":32,
    "attention.head_count_kv":8,"attention.layer_norm_rms_epsilon":1e-5,"rope.dimension_count":128,
    "rope.freq_base":500000.0,"vocab_size":128256})"));
  w.set("general.file_type", 15U);
  w.set("tokenizer.ggml.tokens", std::vector<std::string>(128256, "token"));
  w.add({"rope_freqs.weight", {64}}).add({"token_embd.weight", {128256, 4096}, "Q4_K"});
  for (int i = 0; i < 32; ++i) {
    const auto blk = "blk." + std::to_string(i) + ".";
    // use_more_bits of llama-quant.cpp
    const bool more = i < 4 || i >= 28 || (i - 4) % 3 == 2;
    const std::string better = more ? "Q6_K" : "Q4_K";
    w.add({blk + "attn_norm.weight", {4096}})
        .add({blk + "ffn_down.weight", {4096, 14336}, better})
        .add({blk + "ffn_gate.weight", {14336, 4096}, "Q4_K"})
        .add({blk + "ffn_up.weight", {14336, 4096}, "Q4_K"})
        .add({blk + "ffn_norm.weight", {4096}})
        .add({blk + "attn_k.weight", {1024, 4096}, "Q4_K"})
        .add({blk + "attn_output.weight", {4096, 4096}, "Q4_K"})
        .add({blk + "attn_q.weight", {4096, 4096}, "Q4_K"})
        .add({blk + "attn_v.weight", {1024, 4096}, better});
  }
  w.add({"output.weight", {128256, 4096}, "Q6_K"}).add({"output_norm.weight", {4096}});
  CHECK(w.tensors() == 292);

  const test::TemporaryFolder folder;
  const auto path = w.write(folder.path("llama.gguf"));
  const auto model = load_model(path);
  const auto graph = model.build();
  CHECK(parameters(graph).sum() == Count(8030261248));
  CHECK(graph.num_tokens > 0);
  REQUIRE(model.stored != nullptr);
  CHECK(model.stored->bytes() == Count(w.data_bytes()));
  CHECK(model.stored->beside == Count(256));
  const auto mib = [](Count bytes) { return bytes.as_double() / (1 << 20); };
  const auto embedding = model.stored->by_path.at("model.embed_tokens.weight").bytes();
  CHECK(mib(embedding) == doctest::Approx(281.81).epsilon(1e-5));
  CHECK(mib(model.stored->bytes() - embedding) == doctest::Approx(4403.49).epsilon(1e-5));
  // The mix that vitals predicts without a file is the one that the file has.
  CHECK(quantized_size(graph, "Q4_K_M").bytes + model.stored->beside == model.stored->bytes());
  CHECK(model.stored->by_path.at("lm_head.weight").parts.at(0).format == "Q6_K");
  CHECK(model.all_notes().front().find("Q4_K_M") != std::string::npos);

  // A changed model is not the one that is stored.
  const auto changed = with_overrides(model, {{"num_hidden_layers", "2", "--set"}});
  CHECK(changed.stored == nullptr);
}

namespace {

// Tensors of a layer as text: "name=A,B" with the dimensions as numbers.
void add_tensors(GgufWriter& w, const std::string& prefix, const json& tensors) {
  for (const auto& [name, shape] : tensors.items())
    w.add({prefix + name, shape.get<std::vector<std::uint64_t>>(), "F32"});
}

}  // namespace

TEST_CASE("published models: as many tensors and parameters as llama.cpp finds in them") {
  std::ifstream in(TEST_DATA_DIR "/gguf_models.json");
  const auto models = test::parsed(std::string(std::istreambuf_iterator<char>(in), {}));
  std::set<std::string> seen;
  const test::TemporaryFolder folder;
  for (const auto& m : models) {
    const auto name = m["name"].get<std::string>();
    CAPTURE(name);
    auto w = with_metadata(m["arch"].get<std::string>(), m["metadata"]);
    seen.insert(m["arch"].get<std::string>());
    add_tensors(w, "", m["tensors"]);
    for (const auto& stack : m["layers"])
      for (std::uint64_t i = stack["from"]; i < stack["to"].get<std::uint64_t>(); ++i)
        add_tensors(w, "blk." + std::to_string(i) + ".", stack["tensors"]);
    CHECK(w.tensors() == m["tensor_count"].get<std::size_t>());
    const auto path = w.write(folder.path(name + ".gguf"));
    const auto refusal = test::refusal([&] { return load_model(path); });
    REQUIRE(refusal == "");
    const auto model = load_model(path);
    CHECK(parameters(model.build()).sum() == Count(m["params"].get<std::uint64_t>()));
    CHECK(model.stored->bytes() == parameters(model.build()).sum() * 4 + model.stored->beside);
  }
  CHECK(seen.size() >= 20);
}

TEST_CASE("what is missing or wrong is told in the words of the file") {
  const test::TemporaryFolder folder;
  const auto refusal = [&](const GgufWriter& w) {
    const auto path = w.write(folder.path("x.gguf"));
    auto message = test::refusal([&] { return load_model(path); });
    REQUIRE(message.starts_with(path + ": "));
    return message.substr(path.size() + 2);
  };
  const json sizes = {{"block_count", 1},          {"context_length", 64},
                      {"embedding_length", 64},    {"feed_forward_length", 128},
                      {"attention.head_count", 4}, {"attention.layer_norm_rms_epsilon", 1e-5}};
  CHECK(refusal(GgufWriter()) == "key 'general.architecture' is missing or no text");
  CHECK(refusal(with_metadata("lama", sizes))
            .starts_with("general.architecture 'lama' is not known; did you mean 'llama'"));
  auto missing = sizes;
  missing.erase("embedding_length");
  CHECK(refusal(with_metadata("llama", missing)) == "key 'llama.embedding_length' is missing");
  CHECK(refusal(with_metadata("llama", sizes)) == "the tensor 'token_embd.weight' is missing");
  auto wrong = with_metadata("llama", sizes);
  wrong.add({"token_embd.weight", {100, 64}});
  CHECK(refusal(wrong).find("missing blk.0.attn_norm.weight [64] (10 in all)") !=
        std::string::npos);
  auto heads = sizes;
  heads["attention.head_count"] = 0;
  auto none = with_metadata("llama", heads);
  none.add({"token_embd.weight", {100, 64}});
  CHECK(refusal(none) == "key 'llama.attention.head_count': 0 divides nothing");
}

TEST_CASE("every row of the table names a family, and only fields that some family has") {
  for (const auto& name : gguf_architectures()) {
    CAPTURE(name);
    const auto& row = *find_gguf_architecture(name);
    CHECK(row.contains("model_type"));
    CHECK(row["keys"].is_object());
  }
}
