// Korthikanti et al.'s four models (arXiv:2205.05198, table 3), traced: what their formulas and
// Megatron's script state comes out of the ops.
#include "frontends/spec/spec.h"
#include "memory/estimate.h"
#include "support/json.h"
#include "support/published.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <string>

using namespace vitals;
using nlohmann::json;

namespace {

bool has(const std::string& id, const char* word) { return id.find(word) != std::string::npos; }

// The GPT of a record's "a", "h", "v" and "s". Megatron's script leaves out learned positions.
MemoryEstimate estimate(const json& config, std::uint64_t layers, const MemoryOptions& options) {
  const json spec = {{"architecture", "decoder"},
                     {"naming", "gpt2"},
                     {"vocab_size", config["v"]},
                     {"hidden_size", config["h"]},
                     {"num_attention_heads", config["a"]},
                     {"num_hidden_layers", layers},
                     {"position_embedding", "none"},
                     {"causal_mask", "fill"},
                     {"hidden_act", "gelu"},
                     {"embd_pdrop", 0.1},
                     {"resid_pdrop", 0.1},
                     {"attn_pdrop", 0.1}};
  BuildOptions build;
  build.batch = config["b"];
  build.seq_len = config["s"];
  build.training = true;
  return estimate_memory(model_from_spec(spec, "test", "test").build(build), options);
}

MemoryOptions megatron(const char* recipe) {
  MemoryOptions options;
  options.precision = precision(recipe);
  options.optimizer = optimizer("adam");
  options.composition = false;
  return options;
}

}  // namespace

// 34sbh + 5as²b and its kin; LayerNorm's mean and rstd, 16sb, are what the paper neglects.
TEST_CASE("the activations of a layer are what the paper's formulas state") {
  int all = 0;
  for (const auto& fact : test::facts("memory/published.json")) {
    const auto id = fact["id"].get<std::string>();
    if (!has(id, "act/korthikanti-table2-")) continue;
    CAPTURE(id);
    const auto& c = fact["config"];
    auto options = megatron("mixed16");
    if (has(id, "tensor")) options.parallel.tensor = c["t"];
    options.parallel.sequence = has(id, "sequence");
    if (has(id, "selective")) options.checkpoint = ActivationCheckpointing::selective;
    if (has(id, "full")) options.checkpoint = ActivationCheckpointing::block;
    const auto layer =
        estimate(c, 2, options).activations.saved - estimate(c, 1, options).activations.saved;
    CHECK(layer.as_double() == doctest::Approx(fact["value"].get<double>()).epsilon(0.0003));
    ++all;
  }
  CHECK(all >= 12);
}

// Megatron's theoretical_memory_usage.py: the most loaded device of the whole run, with sequence
// parallelism, selective recomputation and interleaved stages. It cuts norms and biases, too, and
// without a pipeline it counts fp32 logits, which are 1 % there.
TEST_CASE("four models on hundreds of devices") {
  int all = 0;
  for (const auto& fact : test::facts("memory/published.json")) {
    const auto id = fact["id"].get<std::string>();
    if (!has(id, "megatron/theoretical-")) continue;
    CAPTURE(id);
    const auto& c = fact["config"];
    auto options = megatron("mixed18");
    options.checkpoint = ActivationCheckpointing::selective;
    options.parallel.tensor = c["t"];
    options.parallel.sequence = true;
    options.parallel.pipeline = c["p"];
    options.parallel.interleave = c["m"];
    options.parallel.micro_batches = c["B"].get<std::uint64_t>() / c["b"].get<std::uint64_t>();
    const auto e = estimate(c, c["L"], options);
    const auto states = e.bytes.weights + e.bytes.gradients + e.bytes.optimizer;
    CHECK(states.as_double() / 0x1p20 ==
          doctest::Approx(fact["value"].get<double>()).epsilon(0.0005));
    CHECK(e.bytes.activations.as_double() / 0x1p20 ==
          doctest::Approx(fact["activations_mib"].get<double>())
              .epsilon(c["p"] == 1 ? 0.011 : 0.0003));
    ++all;
  }
  CHECK(all >= 4);
}
