#include "cost/generation.h"
#include "cost/kv_cache.h"
#include "cost/rollup.h"
#include "cost/training_compute.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "memory/estimate.h"
#include "memory/quantized/quantization.h"
#include "support/published.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace vitals;
using nlohmann::json;

namespace {

Graph build(std::string_view name, const BuildOptions& options = {.seq_len = 1}) {
  return builtin_model(name, "").build(options);
}

json only(std::string_view id) { return test::published(id).at(0); }

Count cache_bytes(std::string_view model, std::uint64_t tokens, LatentCache latent) {
  return kv_cache_elements(build(model), tokens, latent) * 2;
}

double at(const json& record, const char* key) { return record["config"][key].get<double>(); }

MegatronSizes megatron_sizes(const json& record) {
  return {.layers = at(record, "L"),
          .hidden = at(record, "h"),
          .tokens = at(record, "s"),
          .vocab = at(record, "v"),
          .batch = at(record, "B")};
}

}  // namespace

TEST_CASE("KV caches are those that others state") {
  const auto value = [](std::string_view id) {
    return Count(only(id)["value"].get<std::uint64_t>());
  };
  const auto expanded = LatentCache::expanded;
  CHECK(cache_bytes("llama-3-70b", 131'072, expanded) == value("kv/llama-3-70b-131072"));
  CHECK(cache_bytes("mixtral-8x7b", 1, expanded) == value("kv/mixtral-8x7b-per-token"));
  CHECK(cache_bytes("deepseek-v3", 1, expanded) == value("kv/deepseek-v3-expanded-per-token"));
  CHECK(cache_bytes("llama-2-70b", 32'768, expanded) == Count(10) * (std::uint64_t{1} << 30));
  // Two of tensor parallel hold half of the heads each.
  CHECK(cache_bytes("llama-65b", 512 + 32, expanded) / 2 ==
        value("llm-analysis/llama-65b-kv-cache-tp2"));
  // 61 layers of 512 + 64 elements (DeepSeek-V2, arXiv:2405.04434, section 2.1.4).
  CHECK(cache_bytes("deepseek-v3", 1, LatentCache::compressed) == Count(61 * (512 + 64) * 2));
}

// llm-analysis and vLLM (QKVParallelLinear) give every rank at least one head of keys and values.
TEST_CASE("more tensor-parallel ranks than heads of keys repeat them") {
  MemoryOptions options;
  options.training = false;
  options.precision = precision("bf16");
  options.optimizer = optimizer("none");
  const auto graph = build("llama-3-70b", {.seq_len = 100});  // 64 heads, 8 of keys and values
  const auto on = [&](std::uint64_t ranks) {
    options.parallel.tensor = ranks;
    return estimate_memory(graph, options).bytes;
  };
  CHECK(on(4).kv_cache == 2 * 80 * 2 * 128 * 100 * 2);
  CHECK(on(8).kv_cache == 2 * 80 * 1 * 128 * 100 * 2);
  CHECK(on(16).kv_cache == 2 * 80 * 1 * 128 * 100 * 2);
  // Between 8 and 16 ranks all matrices are halved but those of one key's and value's head.
  const Count repeated = Count(80 * 2) * 8192 * 128 * 2;
  const Count norms = Count(80 * 2 + 1) * 8192 * 2;
  CHECK(on(8).weights - on(16).weights == (on(8).weights - repeated - norms) / 2);
}

TEST_CASE("heads of keys that ranks cannot share evenly are refused") {
  MemoryOptions options;
  options.training = false;
  options.precision = precision("bf16");
  options.optimizer = optimizer("none");
  options.parallel.tensor = 4;
  const auto graph = model_from_spec({{"architecture", "decoder"},
                                      {"hidden_size", 96},
                                      {"num_attention_heads", 12},
                                      {"num_key_value_heads", 6},
                                      {"num_hidden_layers", 1}},
                                     "test", "test")
                         .build({.seq_len = 2});
  CHECK_THROWS_WITH_AS((void)estimate_memory(graph, options),
                       doctest::Contains("6 heads of keys and values"), Error);
}

// bitsandbytes quantises tensor by tensor, and each has a table of 16 fp32 values.
TEST_CASE("every expert of a stack has its own table of values") {
  const auto graph = build("mixtral-8x7b", {.seq_len = 2});
  const auto weights = quantized_weights(graph, "nf4");
  std::size_t stacks = 0;
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    const auto& param = graph.params[id];
    if (!param.stacked) continue;
    ++stacks;
    const auto each = numel(param) / param.shape[0];
    CHECK(weights[id].bytes == (each / 2 + each / 64 * 4 + 16 * 4) * 8);
  }
  CHECK(stacks == 3 * 32);
}

TEST_CASE("a window bounds what a layer keeps") {
  const KvCache sliding{.key = 4, .value = 4, .window = 10};
  CHECK(cached_tokens(sliding, 9) == 9);
  CHECK(cached_tokens(sliding, 11) == 10);
  const KvCache cross{.key = 4, .value = 4, .source_tokens = 1500};
  CHECK(kv_cache_elements(cross, 3, LatentCache::expanded) == 1500 * 8);
}

TEST_CASE("a decoder behind an encoder begins with the tokens that were asked for") {
  const auto cache = [](const Model& model, std::uint64_t tokens, std::uint64_t fresh) {
    const auto trace = [&](const BuildOptions& o) { return model.build(o); };
    const auto graph = model.build(prompt_options(trace, {.seq_len = tokens}));
    return kv_cache_elements(graph, graph.num_tokens + fresh, LatentCache::expanded);
  };
  const auto t5 = builtin_model("t5-small", "");
  // Six layers; keys and values of 8 heads of 64, of the encoder's tokens and of the decoder's.
  CHECK(cache(t5, 100, 0) == 6 * 2 * 512 * (100 + 100));
  CHECK(cache(t5, 100, 1) == 6 * 2 * 512 * (100 + 101));
  const auto whisper = builtin_model("whisper-tiny", "");
  const auto trace = [&](const BuildOptions& o) { return whisper.build(o); };
  const auto of = [&](std::uint64_t tokens) {
    return generation_macs(trace, {.seq_len = tokens}, 5).prefill;
  };
  CHECK(of(0) == of(1));
  CHECK(of(20) > of(1));
  CHECK(of(20) == macs_by_module(whisper.build({.seq_len = 20})).sum());
}

TEST_CASE("decoding many tokens sums the steps one by one") {
  for (const auto* name : {"gpt2", "gemma-3-270m", "gpt-oss-20b", "deepseek-v2-lite"}) {
    CAPTURE(name);
    const auto model =
        with_overrides(builtin_model(name, ""), {{"num_hidden_layers", "7", "test"}});
    const auto trace = [&](const BuildOptions& o) { return model.build(o); };
    for (const std::uint64_t prompt : {1U, 100U, 120U, 508U, 600U}) {
      constexpr std::uint64_t kNew = 41;
      const auto g = generation_macs(trace, {.batch = 2, .seq_len = prompt}, kNew);
      Count sum;
      for (std::uint64_t i = 0; i < kNew; ++i)
        sum += macs_by_module(trace({.batch = 2, .seq_len = 1, .past_len = prompt + i})).sum();
      CHECK(g.decode == sum);
      CHECK(g.prefill == macs_by_module(trace({.batch = 2, .seq_len = prompt})).sum());
    }
  }
}

TEST_CASE("active parameters are those that one token meets") {
  for (const auto& record : test::published("active_params/")) {
    CAPTURE(record["id"]);
    CHECK(active_parameters(test::model_of(record).build({.seq_len = 1})) ==
          Count(record["value"].get<std::uint64_t>()));
  }
  const auto dense = build("llama-3-8b");
  CHECK(active_parameters(dense) == parameters(dense).sum());
}

TEST_CASE("training compute: the table of GPT-3, PaLM, Megatron") {
  for (const auto& record : test::published("train_flops/gpt3-table")) {
    CAPTURE(record["id"]);
    const auto flops = kaplan_flops(at(record, "params_M") * 1e6, at(record, "tokens_B") * 1e9,
                                    at(record, "flops_per_param_per_token"));
    CHECK(flops == doctest::Approx(record["value"].get<double>()).epsilon(0.01));
  }
  // 3640 petaflop/s-days, from the trace's own parameters.
  const auto gpt3 = training_compute(build("gpt3-175b", {.training = true, .seq_len = 2048}),
                                     ActivationCheckpointing::none, 300e9);
  CHECK(gpt3.kaplan / kPetaflopDay == doctest::Approx(3640).epsilon(0.002));
  CHECK(gpt3.exact > gpt3.kaplan);

  const auto palm = only("train_flops/palm");
  CHECK(palm_flops_per_token(
            {at(palm, "params"), at(palm, "L"), at(palm, "H"), at(palm, "Q"), at(palm, "T")}) ==
        doctest::Approx(palm["value"].get<double>()).epsilon(palm["rel_tol"].get<double>()));
  for (const auto& record : test::published("flops/korthikanti-eq7"))
    CHECK(megatron_model_flops(megatron_sizes(record)) ==
          doctest::Approx(record["value"].get<double>()).epsilon(1e-9));
  for (const auto& record : test::published("flops/korthikanti-eq8"))
    CHECK(megatron_hardware_flops(megatron_sizes(record)) ==
          doctest::Approx(record["value"].get<double>()).epsilon(1e-9));
}

// FLOPs of the rules over those that the hardware could have done in the same time, in percent.
TEST_CASE("utilisation: PaLM and Megatron's table 5") {
  const auto palm = only("mfu/palm");
  const auto per_token = palm_flops_per_token(
      {at(palm, "params"), at(palm, "L"), at(palm, "H"), at(palm, "Q"), at(palm, "T")});
  const auto reached = per_token * at(palm, "tokens_per_s");
  CHECK(100 * reached / (at(palm, "chips") * at(palm, "peak_flops")) ==
        doctest::Approx(palm["value"].get<double>()).epsilon(palm["rel_tol"].get<double>()));
  const std::pair<const char*, double (*)(const MegatronSizes&)> rules[] = {
      {"mfu/korthikanti", megatron_model_flops}, {"hfu/korthikanti", megatron_hardware_flops}};
  for (const auto& rule : rules)
    for (const auto& record : test::published(rule.first)) {
      CAPTURE(record["id"]);
      const auto could = at(record, "iter_s") * at(record, "gpus") * at(record, "peak");
      CHECK(
          100 * rule.second(megatron_sizes(record)) / could ==
          doctest::Approx(record["value"].get<double>()).epsilon(record["rel_tol"].get<double>()));
    }
}

// PaLM's rule and Megatron's are the trace's own count where nothing is left out.
TEST_CASE("the rules agree with the trace") {
  const auto graph = build("gpt3-175b", {.batch = 3, .seq_len = 2048});
  const auto exact = 3 * 2 * macs_by_module(graph).sum().as_double();
  CHECK(megatron_model_flops({96, 12288, 2048, 50257, 3}) == doctest::Approx(exact).epsilon(1e-12));
  // nanoGPT: no biases, and positions left out of N.
  const auto nanogpt = only("flops/nanogpt-gpt2-124m-palm");
  auto spec = json{{"architecture", "decoder"},
                   {"naming", "gpt2"},
                   {"position_embedding", "none"},
                   {"norm_bias", false},
                   {"final_norm", true}};
  const auto trace = model_from_spec(spec, "test", "nanogpt").build({.seq_len = 1024});
  Count biases;
  for (const auto& p : trace.params)
    if (p.name == "bias") biases += numel(p);
  const auto n = (parameters(trace).sum() - biases).as_double();
  CHECK(1024 * palm_flops_per_token({n, 12, 12, 64, 1024}) ==
        doctest::Approx(nanogpt["value"].get<double>()).epsilon(1e-12));
}

TEST_CASE("quantised files have the sizes that llama.cpp prints") {
  const auto graph = build("llama-3.1-8b");
  for (const auto& record : test::published("gguf/llama-3.1-8b")) {
    const auto name = record["config"]["quant"].get<std::string>();
    CAPTURE(name);
    const auto size = quantized_size(graph, name);
    CHECK(size.bytes.as_double() / (1 << 30) ==
          doctest::Approx(record["value"].get<double>()).epsilon(record["rel_tol"].get<double>()));
    CHECK(size.params == parameters(graph).sum());
    Count sum;
    for (const auto& part : size.parts) sum += part.bytes;
    CHECK(sum == size.bytes);
  }
  // Bits per weight, from the same table (tools/quantize/README.md of llama.cpp, commit 311c2c9).
  const struct {
    const char* name;
    double bits;
  } table[] = {{"Q8_0", 8.5008},   {"Q6_K", 6.5633},    {"Q5_K_M", 5.7036},
               {"Q3_K_L", 4.2979}, {"Q3_K_S", 3.6429},  {"Q2_K", 3.1593},
               {"IQ4_XS", 4.4597}, {"IQ3_XXS", 3.2548}, {"IQ1_S", 2.0042}};
  for (const auto& row : table) {
    CAPTURE(row.name);
    // Printed with four digits after the point.
    CHECK(std::abs(quantized_size(graph, row.name).bits_per_param() - row.bits) < 5e-5);
  }
}

TEST_CASE("blocks of gguf files have the bytes of ggml's own table") {
  for (const auto& record : test::published("ggml/")) {
    CAPTURE(record["id"]);
    const auto id = record["id"].get<std::string>();
    const auto& format = block_format(id.substr(id.find('/') + 1));
    CHECK(format.block == record["config"]["block"].get<std::uint64_t>());
    CHECK(format.bytes == record["value"].get<std::uint64_t>());
  }
}

TEST_CASE("a 4-bit matrix of 4096 x 4096 takes what bitsandbytes allocates") {
  // One layer whose only 4-bit matrices are such: q, k, v, o; the rest stays at 16 bits.
  const json spec = {{"architecture", "decoder"}, {"hidden_size", 4096},
                     {"num_attention_heads", 32}, {"num_hidden_layers", 1},
                     {"vocab_size", 8},           {"intermediate_size", 4096},
                     {"attention_bias", false},   {"attention_out_bias", false},
                     {"mlp_bias", false}};
  const auto graph = model_from_spec(spec, "test", "test").build({.seq_len = 1});
  auto of = [&](std::string_view scheme) {
    for (const auto& part : quantized_size(graph, scheme).parts)
      if (part.format == scheme) return part.bytes / 6;
    return Count(0);
  };
  CHECK(of("nf4") == Count(only("bnb/nf4-4096x4096-nodq")["value"].get<std::uint64_t>()));
  CHECK(of("nf4-dq") == 8'655'940);  // bitsandbytes 0.50.2
  CHECK(of("int8") == 4096 * 4096 + 4096 * 4);
  CHECK_THROWS_WITH_AS((void)quantized_size(graph, "Q4_K_X"),
                       doctest::Contains("did you mean 'Q4_K_"), Error);
}
