// What Hugging Face transformers makes of a config, as its source says: defaults of classes, which
// layers slide, which rates are applied where. Version 4.57 if nothing else is said.
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "support/model.h"

#include <doctest/doctest.h>

#include <vector>

using namespace vitals;
using nlohmann::json;

namespace {

json described(const json& config) { return json(spec_of(test::model(config))); }

// The rates of the dropouts that a step of training runs, in the order of the forward pass.
std::vector<double> rates(json config) {
  config["num_hidden_layers"] = 1;
  const auto graph = test::trace(config, {.training = true, .seq_len = 4});
  std::vector<double> found;
  for (const auto& node : graph.nodes)
    if (const auto* drop = std::get_if<op::Dropout>(&node.op)) found.push_back(drop->rate);
  return found;
}

std::vector<double> drop_paths(const Graph& graph) {
  std::vector<double> found;
  for (const auto& node : graph.nodes)
    if (const auto* drop = std::get_if<op::DropPath>(&node.op)) found.push_back(drop->rate);
  return found;
}

}  // namespace

// configuration_*.py of transformers; tests/data/hf_defaults.json says which commits. mt5's
// tie_word_embeddings is the false of 4.x here; 5.x ties the T5 family whatever its configs say.
TEST_CASE("a config that states all defaults of its class is the one that states none") {
  const auto file = std::string(TEST_DATA_DIR) + "/hf_defaults.json";
  const auto facts = parse_json(read_text(file), file);
  REQUIRE(facts["model_types"].size() > 60);
  for (const auto& fact : facts["model_types"].items()) {
    const auto& type = fact.key();
    CAPTURE(type);
    json bare = {{"model_type", type}};
    json stated = fact.value();
    stated["model_type"] = type;
    // Its class has None, with which its layers cannot choose: the config must say how many.
    if (type == "deepseek_v2") bare["num_experts_per_tok"] = stated["num_experts_per_tok"] = 6;
    CHECK(described(stated) == described(bare));
    // What is computed by the class is stated as nothing at all.
    json present = bare;
    for (const auto& [key, value] : stated.items())
      if (!value.is_null()) present[key] = value;
    CHECK(described(present) == described(bare));
  }
}

// configuration_qwen3_moe.py of 5.0: attribute_map = {"num_experts": "num_local_experts"}.
TEST_CASE("Qwen3-MoE's experts go by either name") {
  CHECK(described({{"model_type", "qwen3_moe"}, {"num_local_experts", 16}})["num_experts"] == 16);
}

// configuration_mistral3.py: text_config is None: CONFIG_MAPPING["mistral"](...) with its own
// sizes.
TEST_CASE("Mistral3 without a text_config is not the default Mistral") {
  const auto bare = described({{"model_type", "mistral3"}});
  CHECK(bare["hidden_size"] == 5120);
  CHECK(bare["num_hidden_layers"] == 40);
  CHECK(bare["sliding_window"].is_null());
  const json text = {{"model_type", "mistral"}};
  CHECK(described({{"model_type", "mistral3"}, {"text_config", text}})["hidden_size"] == 4096);
}

// Qwen3MoeModel.forward takes the sliding mask for all layers where config.sliding_window is set;
// configuration_qwen2_moe.py: "sliding_attention" if bool((i + 1) % 2) and i < max_window_layers.
TEST_CASE("which layers of Qwen's mixtures of experts slide") {
  const auto all = described({{"model_type", "qwen3_moe"}, {"use_sliding_window", true}});
  CHECK(all["sliding_window"] == 4096);
  CHECK(all["layer_types"].is_null());
  const auto some = described({{"model_type", "qwen2_moe"},
                               {"num_hidden_layers", 6},
                               {"max_window_layers", 4},
                               {"use_sliding_window", true}})["layer_types"];
  CHECK(some == json({"sliding_attention", "full_attention", "sliding_attention", "full_attention",
                      "full_attention", "full_attention"}));
}

// GraniteAttention, Phi3Attention, SmolLM3Attention: getattr(config, "head_dim", hidden // heads).
TEST_CASE("a head_dim that is no field of the class counts where the layers ask for it") {
  for (const char* type : {"granite", "phi3", "smollm3"}) {
    CAPTURE(type);
    CHECK(described({{"model_type", type}})["head_dim"].is_null());
    CHECK(described({{"model_type", type}, {"head_dim", 32}})["head_dim"] == 32);
  }
}

// Glm4MoeAttention: getattr(config, "head_dim", 4096 // 96); its RoPE has arange(0, 21, 2), which
// are 11 frequencies, for half of the 42 features.
TEST_CASE("GLM-4.5's default head is rounded down") {
  const auto bare = described({{"model_type", "glm4_moe"}});
  CHECK(bare["head_dim"] == 42);
  CHECK(bare["rotary_dim"] == 22);
}

// Gemma2MLP, Gemma3MLP: ACT2FN[config.hidden_activation]; hidden_act is no field.
TEST_CASE("Gemma's activation is hidden_activation") {
  for (const char* type : {"gemma2", "gemma3_text"}) {
    CAPTURE(type);
    const auto usual = described({{"model_type", type}})["hidden_act"];
    CHECK(described({{"model_type", type}, {"hidden_act", "relu"}})["hidden_act"] == usual);
    CHECK(described({{"model_type", type}, {"hidden_activation", "relu"}})["hidden_act"] == "relu");
  }
}

// configuration_gpt_neo.py: attention_types = [[["global", "local"], 12]] where none is given.
TEST_CASE("GPT-Neo's attention_types that are null are the default") {
  CHECK(described({{"model_type", "gpt_neo"}, {"attention_types", nullptr}}) ==
        described({{"model_type", "gpt_neo"}}));
}

// FalconDecoderLayer.forward: parallel, `mlp_output += attention_output` and one dropout_add by
// hidden_dropout; else dropout_add(attention_output, residual, config.attention_dropout) and
// dropout_add(mlp_output, residual, config.hidden_dropout). FalconAttention drops weights out with
// ALiBi only (scaled_dot_product_attention(..., dropout_p=0.0) without).
TEST_CASE("Falcon drops out of sums") {
  json config = {{"model_type", "falcon"}, {"hidden_dropout", 0.1}, {"attention_dropout", 0.2}};
  CHECK(rates(config) == std::vector{0.1});
  config["parallel_attn"] = false;
  CHECK(rates(config) == std::vector{0.2, 0.1});
  config["alibi"] = true;
  CHECK(rates(config) == std::vector{0.2, 0.2, 0.1});
}

// Phi3Model never calls its embed_dropout, MptModel its emb_drop; StableLmDecoderLayer drops out of
// the MLP alone; Dinov2MLP has no dropout, Dinov2SelfOutput has.
TEST_CASE("rates that the library does not apply are not applied") {
  CHECK(rates({{"model_type", "phi3"}, {"embd_pdrop", 0.3}}).empty());
  CHECK(rates({{"model_type", "phi3"}, {"resid_pdrop", 0.3}}) == std::vector{0.3, 0.3});
  CHECK(rates({{"model_type", "mpt"}, {"emb_pdrop", 0.3}}).empty());
  CHECK(rates({{"model_type", "stablelm"}, {"hidden_dropout", 0.3}}) == std::vector{0.3});
  // Embeddings and attention.
  for (const char* type : {"dinov2", "dinov2_with_registers"})
    CHECK(rates({{"model_type", type}, {"hidden_dropout_prob", 0.3}}) == std::vector{0.3, 0.3});
}

// Dinov2Layer: Dinov2DropPath(config.drop_path_rate), without a schedule.
TEST_CASE("DINOv2's stochastic depth is the same in all layers") {
  for (const char* type : {"dinov2", "dinov2_with_registers"}) {
    const auto graph =
        test::trace({{"model_type", type}, {"num_hidden_layers", 2}, {"drop_path_rate", 0.1}},
                    {.training = true});
    CHECK(drop_paths(graph) == std::vector{0.1, 0.1, 0.1, 0.1});
  }
}
