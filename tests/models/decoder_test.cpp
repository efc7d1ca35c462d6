#include "models/text/decoder.h"

#include "cost/rollup.h"
#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/model.h"

#include <doctest/doctest.h>

using namespace vitals;
using nlohmann::json;

namespace {

// A GPT without what the field's rule omits: learned positions and the last norm.
json bare_gpt(std::uint64_t h, std::uint64_t layers, std::uint64_t vocab) {
  return {{"architecture", "decoder"}, {"naming", "gpt2"},   {"position_embedding", "none"},
          {"final_norm", false},       {"hidden_size", h},   {"num_hidden_layers", layers},
          {"num_attention_heads", 4},  {"vocab_size", vocab}};
}

json llama_7b() {
  return {{"architecture", "decoder"},   {"vocab_size", 32000},       {"hidden_size", 4096},
          {"num_hidden_layers", 32},     {"num_attention_heads", 32}, {"intermediate_size", 11008},
          {"norm_layer", "RmsNorm"},     {"attention_bias", false},   {"attention_out_bias", false},
          {"mlp_bias", false},           {"mlp_gated", true},         {"hidden_act", "silu"},
          {"tie_word_embeddings", false}};
}

json small() {
  return {{"architecture", "decoder"}, {"vocab_size", 100},        {"hidden_size", 64},
          {"num_hidden_layers", 3},    {"num_attention_heads", 8}, {"intermediate_size", 96}};
}

Count macs_at(const json& spec, std::uint64_t seq_len, std::uint64_t past = 0) {
  return macs_by_module(test::trace(spec, {.seq_len = seq_len, .past_len = past})).sum();
}

}  // namespace

// Megatron-LM (arXiv:1909.08053) and the field.
TEST_CASE("a GPT has l(12h^2 + 13h) + Vh parameters") {
  for (std::uint64_t h = 8; h <= 2048; h += 4 * (1 + h / 16)) {
    const std::uint64_t layers = 1 + h % 5;
    const std::uint64_t vocab = 3 * h + 1;
    CHECK(parameters(test::trace(bare_gpt(h, layers, vocab), {.seq_len = 2})).sum() ==
          Count(layers * (12 * h * h + 13 * h) + vocab * h));
  }
}

TEST_CASE("tied embeddings count once and still cost their products") {
  auto tied = small();
  auto untied = small();
  untied["tie_word_embeddings"] = false;
  CHECK(parameters(test::trace(tied)).sum() + Count(100 * 64) ==
        parameters(test::trace(untied)).sum());
  CHECK(macs_at(tied, 16) == macs_at(untied, 16));
  auto headless = small();
  headless["head"] = "none";
  CHECK(macs_at(tied, 16) == macs_at(headless, 16) + Count(16 * 64 * 100));
}

// The README of calculate-flops.pytorch prints 850.00 GMACs; nanoGPT's transformer_sizing notebook
// prints 291,648,307,200 forward FLOPs for GPT-2 at 1,024 tokens.
TEST_CASE("forward MACs are those that tools and notebooks publish") {
  CHECK(macs_at(llama_7b(), 128) == Count(850'000'871'424));
  auto gpt2 = bare_gpt(768, 12, 50257);
  gpt2["num_attention_heads"] = 12;
  CHECK(macs_at(gpt2, 1024) * 2 == Count(291'648'307'200));
}

TEST_CASE("heads of keys and values shrink their projections alone") {
  auto grouped = small();
  grouped["num_key_value_heads"] = 2;
  const Count saved = 3 * 2 * (8 - 2) * (64 * 8 + 8);  // layers, k and v, heads, weights and biases
  CHECK(parameters(test::trace(small())).sum() == parameters(test::trace(grouped)).sum() + saved);
  CHECK(test::trace(grouped).kv_caches.at(0).key == 2 * 8);
}

TEST_CASE("experts: all are parameters, the chosen ones work") {
  auto dense = small();
  dense.update({{"mlp_gated", true}, {"mlp_bias", false}});
  auto experts = dense;
  experts.update({{"num_experts", 8}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 96}});
  const std::uint64_t one = 3 * 64 * 96;
  const std::uint64_t router = 64 * 8;
  CHECK(parameters(test::trace(experts)).sum() ==
        parameters(test::trace(dense)).sum() + Count(3 * (7 * one + router)));
  CHECK(macs_at(experts, 10) == macs_at(dense, 10) + Count(3 * 10 * (one + router)));
  experts["dense_layers"] = {0, 2};
  CHECK(parameters(test::trace(experts)).sum() ==
        parameters(test::trace(dense)).sum() + Count(7 * one + router));
}

// The same tokens, at once or one by one behind a cache: a step's products are those of its row.
TEST_CASE("decoding with a cache does the work of the last row") {
  for (const auto* positions : {"rope", "alibi", "none"}) {
    auto spec = small();
    spec["position_embedding"] = positions;
    CAPTURE(positions);
    for (const std::uint64_t past : {0U, 1U, 7U, 30U}) {
      const Count attention = Count(3) * 2 * (past + 1) * 64;
      CHECK(macs_at(spec, 1, past) == macs_at(spec, 1) + attention - Count(3 * 2 * 64));
    }
  }
}

TEST_CASE("a sliding layer keeps and sees its window alone") {
  auto spec = small();
  spec["sliding_window"] = 8;
  spec["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention"};
  const auto graph = test::trace(spec);
  CHECK(graph.kv_caches.at(0).window == 8);
  CHECK(graph.kv_caches.at(1).window == 0);
  const Count more = macs_at(spec, 1, 101) - macs_at(spec, 1, 100);
  CHECK(more == Count(2 * 64));  // the one layer that sees all, two products
}

TEST_CASE("a decoder's faults are answered") {
  const struct {
    json change;
    const char* message;
  } faults[] = {
      {{{"num_attention_heads", 7}}, "/hidden_size: 64 is not divisible by num_attention_heads 7"},
      {{{"num_key_value_heads", 3}}, "/num_key_value_heads: 3 do not divide the 8"},
      {{{"rotary_dim", 9}}, "/rotary_dim: 9 is larger than a head"},
      {{{"layer_types", {"full_attention"}}}, "/layer_types: 1 entries for 3 layers"},
      {{{"norm_position", "sandwich"}}, "/norm_position: the naming 'llama' has no name"},
      {{{"num_experts", 4}, {"num_experts_per_tok", 5}}, "/num_experts_per_tok: 5 of 4"},
      {{{"naming", "lama"}}, "/naming: unknown value 'lama'"},
  };
  for (const auto& fault : faults) {
    CAPTURE(fault.message);
    auto spec = small();
    spec.update(fault.change);
    std::string message;
    try {
      (void)test::trace(spec);
    } catch (const Error& error) {
      message = error.what();
    }
    CAPTURE(message);
    CHECK(message.find(fault.message) != std::string::npos);
  }
}
