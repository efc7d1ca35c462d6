// What every tensor-parallel rank holds, against a rule that reads the library's names of the
// weights instead of roles, and against exact values from outside.
#include "memory/tensor_parallel.h"

#include "frontends/hf/config.h"
#include "frontends/spec/builtin.h"
#include "memory/simulator/recipe.h"
#include "support/json.h"
#include "support/refusal.h"

#include <doctest/doctest.h>

#include <map>
#include <regex>

using namespace vitals;

namespace {

std::uint64_t elements_per_rank(const Graph& graph, std::uint64_t ranks) {
  const auto plan = plan_tensor_parallel(graph, ranks, false);
  Count sum;
  for (ParamId id = 0; id < graph.params.size(); ++id)
    if (!graph.params[id].buffer) sum += eager::part(numel(graph.params[id]), plan.split(id));
  return sum.value();
}

// Everything is cut but norms, routers and biases of row-parallel layers; besides, vLLM and
// Megatron replicate what is no layer of a block and no table of words: positions, token types,
// projections between widths, low-rank latents, poolers and dense layers of heads.
bool is_replicated(const std::string& key) {
  static const std::regex kWhole(
      // norms
      "norm|ln_|layrnorm|LayerNorm|"
      // routers
      "(mlp|block_sparse_moe|feed_forward)\\.gate\\.|router|shared_expert_gate|"
      // biases of row-parallel layers
      "(o_proj|out_proj|c_proj|attention\\.dense|self_attention\\.dense|self_attn\\.dense|"
      "attention\\.output\\.dense|layer\\.\\d+\\.output\\.dense|dense_4h_to_h|fc2|fc_out|ffn_"
      "output|"
      "out_lin|lin2|down_proj|down_proj_bias)(\\.bias|$)|"
      // no layer of a block
      "wpe|embed_positions|position_embeddings|token_type_embeddings|relative_attention_bias|"
      "project_in|project_out|embedding_hidden_mapping_in|embeddings_project|q_a_proj|kv_a_proj|"
      "pooler|predictions\\.transform|predictions\\.dense|lm_head\\.dense|discriminator_"
      "predictions|"
      "seq_relationship|classifier");
  const bool down_weight = key.ends_with("down_proj");  // gpt-oss: a parameter of its own
  return !down_weight && std::regex_search(key, kWhole);
}

enum class Kind : std::uint8_t { whole, keys, joint, words, even };

Kind kind_of(const std::string& key) {
  static const std::regex kKeys("(k_proj|v_proj|self\\.key|self\\.value)\\.(weight|bias)$");
  static const std::regex kJoint("(qkv_proj|query_key_value|c_attn|Wqkv)\\.(weight|bias)$");
  static const std::regex kWords(
      "embed_tokens|wte|word_embeddings|lm_head|embed_out|embed_in|shared\\.weight|"
      "predictions\\.(decoder|bias)");
  static std::map<std::string, Kind> known;  // matching is slow
  const auto [it, added] = known.try_emplace(key, Kind::even);
  if (!added) return it->second;
  if (is_replicated(key)) return it->second = Kind::whole;
  if (std::regex_search(key, kKeys)) return it->second = Kind::keys;
  if (std::regex_search(key, kJoint)) return it->second = Kind::joint;
  if (std::regex_search(key, kWords)) return it->second = Kind::words;
  return Kind::even;
}

// Elements that a rank must hold of a parameter with this name.
std::uint64_t expected(const std::string& key, std::uint64_t n, std::uint64_t rows,
                       const AttentionHeads& heads, std::uint64_t ranks) {
  const auto keys = std::max<std::uint64_t>(heads.key / ranks, 1);
  const auto all = heads.query + 2 * heads.key;
  const auto kind = kind_of(key);
  if (kind == Kind::whole) return n;
  if (kind == Kind::keys) return n / heads.key * keys;
  if (kind == Kind::joint) return n / all * (heads.query / ranks + 2 * keys);
  if (kind == Kind::words && rows % ranks != 0) return n / rows * ((rows + 63) / 64 * 64 / ranks);
  REQUIRE(n % ranks == 0);
  return n / ranks;
}

std::uint64_t expected_per_rank(const Graph& graph, std::uint64_t ranks) {
  std::uint64_t sum = 0;
  for (const auto& param : graph.params) {
    if (param.buffer) continue;
    const auto key = path_of(graph, param);
    CAPTURE(key);
    AttentionHeads heads;
    for (auto m = param.module; m != kNone; m = graph.modules[m].parent)
      if (graph.modules[m].heads.query > 0) heads = graph.modules[m].heads;
    sum += expected(key, numel(param).value(), param.shape[0], heads, ranks);
  }
  return sum;
}

std::uint64_t weight_bytes_of(const nlohmann::json& config, std::uint64_t ranks) {
  return 4 * elements_per_rank(model_from_json(config, "config.json", "m").build(), ranks);
}

}  // namespace

TEST_CASE("a rank's part of every family, against a rule of names") {
  const struct {
    const char* model;
    std::vector<std::uint64_t> ranks;
  } models[] = {
      {"gpt2", {2, 4}},
      {"opt-125m", {2, 4}},
      {"opt-350m", {2, 4, 8}},
      {"bloom-560m", {2, 4, 8}},
      {"gpt-j-6b", {2, 4, 8}},
      {"gpt-neo-1.3b", {2, 4, 8}},
      {"pythia-410m", {2, 4, 8}},
      {"mpt-7b", {2, 4, 8}},
      {"falcon-40b", {2, 4, 8}},
      {"llama-3-8b", {2, 4, 8}},
      {"llama-3-70b", {2, 4, 8}},
      {"phi-2", {2, 4, 8}},
      {"phi-4", {2}},
      {"qwen2.5-7b", {2, 4}},
      {"qwen3-8b", {2, 4, 8}},
      {"gemma-2b", {2, 4, 8}},
      {"gemma-2-2b", {2, 4, 8}},
      {"gemma-3-1b", {2, 4}},
      {"gemma-3-270m", {2, 4}},
      {"olmo2-7b", {2, 4, 8}},
      {"starcoder2-3b", {2, 4, 8}},
      {"stablelm-2-1.6b", {2, 4, 8}},
      {"command-r", {2, 4, 8}},
      {"glm-4-9b-0414", {2, 4, 8}},
      {"mixtral-8x7b", {2, 4, 8}},
      {"olmoe-1b-7b", {2, 4, 8}},
      {"qwen1.5-moe-a2.7b", {2, 4, 8}},
      {"qwen3-30b-a3b", {2, 4, 8}},
      {"qwen3-235b-a22b", {2, 4, 8}},
      {"gpt-oss-20b", {2, 4, 8}},
      {"deepseek-v3", {2, 4, 8}},
      {"bert-base-uncased", {2, 4}},
      {"albert-base-v2", {2, 4}},
      {"electra-base-discriminator", {2, 4}},
      {"roberta-large", {2, 4, 8}},
      {"t5-small", {2, 4, 8}},
      {"bart-large", {2, 4, 8}},
  };
  for (const auto& m : models) {
    const auto graph = builtin_model(m.model, "").build();
    CAPTURE(m.model);
    for (const auto ranks : m.ranks) {
      CAPTURE(ranks);
      CHECK(elements_per_rank(graph, ranks) == expected_per_rank(graph, ranks));
    }
  }
}

// 4 (4h^2 + 3hI * experts) a layer and both tables of words are cut; routers and norms are not.
TEST_CASE("a small Mixtral: exact bytes of fp32 weights on each rank") {
  const nlohmann::json config = {{"model_type", "mixtral"},  {"hidden_size", 64},
                                 {"intermediate_size", 256}, {"num_hidden_layers", 2},
                                 {"num_attention_heads", 4}, {"num_key_value_heads", 4},
                                 {"num_local_experts", 4},   {"num_experts_per_tok", 2},
                                 {"vocab_size", 128},        {"max_position_embeddings", 64}};
  CHECK(weight_bytes_of(config, 1) == 4 * (442'368 + 832));
  CHECK(weight_bytes_of(config, 2) == 888'064);
  CHECK(weight_bytes_of(config, 4) == 445'696);
}

// vLLM reports 14.245 GiB a GPU for loading Qwen3-30B-A3B in bf16 with tensor_parallel_size=4. That
// includes its table of rotary cosines and sines: 40960 positions of 128 features.
TEST_CASE("Qwen3-30B-A3B over four ranks takes what a server measured") {
  const auto graph = builtin_model("qwen3-30b-a3b", "").build();
  const auto elements = elements_per_rank(graph, 4) + 40960ULL * 128;
  CHECK(2.0 * static_cast<double>(elements) / (1ULL << 30U) ==
        doctest::Approx(14.245).epsilon(0.00004));
}

TEST_CASE("heads that ranks cannot share are refused") {
  const auto refusal = [](const char* model, std::uint64_t ranks) {
    const auto graph = builtin_model(model, "").build();
    return test::refusal([&] { (void)plan_tensor_parallel(graph, ranks, false); });
  };
  CHECK(refusal("gpt2", 8) == "--tp 8 does not divide the 12 heads of transformer.h.0.attn");
  CHECK(refusal("falcon-7b", 2).find("71 heads") != std::string::npos);
  CHECK(refusal("phi-4", 4).find("10 heads of keys and values") != std::string::npos);
}

TEST_CASE("a vocabulary that the ranks do not divide is padded, and the plan says so") {
  const auto plan = plan_tensor_parallel(builtin_model("gpt2", "").build(), 2, false);
  CHECK(plan.words == 50257);
  CHECK(plan.padded_words == 50304);  // vLLM: the next multiple of 64
  CHECK(plan_tensor_parallel(builtin_model("llama-3-8b", "").build(), 2, false).words == 0);
}
