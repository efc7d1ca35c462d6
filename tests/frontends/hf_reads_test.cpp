// The guard of the families' lists: every field of a config that published modeling code reads is a
// field of the family, has no effect, or is refused; none is unknown.
// tests/data/hf_config_reads.json is what tools/config_reads.py finds in the code that it names.
#include "frontends/hf/families.h"
#include "frontends/spec/json_text.h"
#include "support/model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace vitals;
using nlohmann::json;

namespace {

// Fields that a file reads for models of another type, which it runs, too, or that its own code
// adds to a config.
const std::set<std::pair<std::string, std::string>> kOfOthers = {
    {"gemma3_text", "mm_tokens_per_image"},  // of gemma3, the whole
    {"gpt_bigcode", "transpose"},            // set by the server
    {"llama", "attention_multiplier"},       // granite
    {"llama", "embedding_multiplier"},
    {"llama", "logits_scaling"},
    {"llama", "residual_multiplier"},
    {"llama", "cross_attention_layers"},  // mllama
    {"llama", "num_experts_per_tok"},     // mixtral
    {"llama", "num_local_experts"},
    {"mamba", "d_conv"},  // the names of mamba_ssm
    {"mamba", "d_state"},
    {"mamba", "dt_rank"},
    {"phi", "layer_norm_epsilon"},  // phi-msft
    {"phi", "n_positions"},
    {"phi", "no_bias"},
    {"phi", "rotary_dim"},
    {"phimoe", "json"},  // a comment
};

// Whether a config that states the field, as null, is told that it has no known effect. A null that
// is refused was read.
bool is_unknown(const std::string& type, const std::string& field) {
  json config = {{"model_type", type}, {field, nullptr}};
  // Its class has no default with which its layers could choose.
  if (type == "deepseek_v2" && field != "num_experts_per_tok") config["num_experts_per_tok"] = 6;
  try {
    const auto notes = test::model(config).notes;
    return std::any_of(notes.begin(), notes.end(), [&](const std::string& note) {
      return note.find("no known effect on shapes: " + field) != std::string::npos;
    });
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

TEST_CASE("every field that modeling code reads of a config is known to its family") {
  const auto file = std::string(TEST_DATA_DIR) + "/hf_config_reads.json";
  const auto facts = parse_json(read_text(file), file);
  std::size_t families = 0;
  for (const auto& fact : facts["reads"].items()) {
    if (find_hf_family(fact.key()) == nullptr) continue;
    ++families;
    for (const auto& field : fact.value()) {
      const auto name = field.get<std::string>();
      CAPTURE(fact.key());
      CAPTURE(name);
      // An exception that is none any more goes, too.
      CHECK(is_unknown(fact.key(), name) == (kOfOthers.count({fact.key(), name}) > 0));
    }
  }
  CHECK(families > 25);
}
