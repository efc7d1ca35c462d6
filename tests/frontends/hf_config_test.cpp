#include "cost/rollup.h"
#include "frontends/hf/config.h"
#include "frontends/hf/families.h"
#include "frontends/hf/rules.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "memory/estimate.h"
#include "support/model.h"
#include "support/published.h"
#include "support/refusal.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace vitals;
using nlohmann::json;

namespace {

Count params(const json& config) {
  return parameters(test::model(config).build({.seq_len = 1})).sum();
}

json spec(const json& config) { return json(spec_of(test::model(config))); }

std::string fault(const json& config) {
  return test::refusal([&] { return test::model(config).build({.seq_len = 1}); });
}

}  // namespace

TEST_CASE("published parameters of language models are met exactly") {
  for (const auto& record : test::published("params/")) {
    CAPTURE(record["id"]);
    CHECK(parameters(test::model_of(record).build({.seq_len = 1})).sum() ==
          Count(record["value"].get<std::uint64_t>()));
  }
}

TEST_CASE("model_type decides, else the class; the class decides the head") {
  const auto whole = params({{"model_type", "gpt2"}});
  CHECK(params({{"architectures", {"GPT2LMHeadModel"}}}) == whole);
  CHECK(params({{"model_type", "gpt2"}, {"architectures", {"GPT2Model"}}}) == whole);
  CHECK(params({{"architectures", {"GPT2ForSequenceClassification"}}}) == whole + Count(2 * 768));
  CHECK(params({{"architectures", {"GPT2ForSequenceClassification"}},
                {"id2label", {{"0", "a"}, {"1", "b"}, {"2", "c"}}}}) == whole + Count(3 * 768));
  // Untied heads are parameters of their own.
  const auto llama = params({{"architectures", {"LlamaForCausalLM"}}});
  CHECK(params({{"architectures", {"LlamaModel"}}}) + Count(32000 * 4096) == llama);
}

TEST_CASE("an absent field takes the default of its class, a null one what null means there") {
  CHECK(params({{"model_type", "llama"}}) == 6'738'415'616);
  CHECK(spec({{"model_type", "mistral"}})["num_key_value_heads"] == 8);
  CHECK(spec({{"model_type", "mistral"}, {"num_key_value_heads", nullptr}})["num_key_value_heads"]
            .is_null());
  CHECK(spec({{"model_type", "qwen3"}})["head_dim"] == 128);
  CHECK(spec({{"model_type", "qwen3"}, {"head_dim", 64}})["head_dim"] == 64);
  CHECK(spec({{"model_type", "gpt2"}, {"n_inner", nullptr}})["intermediate_size"].is_null());
}

TEST_CASE("other names of a field mean the same, and must not contradict it") {
  CHECK(params({{"model_type", "gpt2"}, {"hidden_size", 1024}, {"n_head", 16}}) ==
        params({{"model_type", "gpt2"}, {"n_embd", 1024}, {"n_head", 16}}));
  CHECK(fault({{"model_type", "gpt2"}, {"hidden_size", 1024}, {"n_embd", 768}})
            .find("contradicts 'n_embd'") != std::string::npos);
}

TEST_CASE("layers differ as the config says") {
  const auto gemma2 = spec({{"model_type", "gemma2"}})["layer_types"];
  CHECK(gemma2[0] == "sliding_attention");
  CHECK(gemma2[1] == "full_attention");
  const auto gemma3 = spec({{"model_type", "gemma3_text"}})["layer_types"];
  CHECK(gemma3[4] == "sliding_attention");
  CHECK(gemma3[5] == "full_attention");
  CHECK(spec({{"model_type", "qwen2"}})["layer_types"].is_null());
  const auto qwen = spec({{"model_type", "qwen2"}, {"use_sliding_window", true}})["layer_types"];
  CHECK(qwen[27] == "full_attention");
  CHECK(qwen[28] == "sliding_attention");
  CHECK(spec({{"model_type", "gpt_neo"}})["layer_types"][1] == "sliding_attention");
  CHECK(spec({{"model_type", "deepseek_v3"}})["dense_layers"] == json({0, 1, 2}));
  CHECK(spec({{"model_type", "qwen3_moe"},
              {"decoder_sparse_step", 2},
              {"num_hidden_layers", 4},
              {"mlp_only_layers", {1}}})["dense_layers"] == json({0, 1, 2}));
  CHECK(spec({{"model_type", "smollm3"}})["no_rope_layers"][3] == 0);
  CHECK(spec({{"model_type", "phi"}})["rotary_dim"] == 32);
}

// configuration_smollm3.py: a layer slides when use_sliding_window is set and it has no RoPE.
TEST_CASE("SmolLM3's layers without positions are those that slide") {
  const auto types = spec({{"model_type", "smollm3"},
                           {"num_hidden_layers", 4},
                           {"use_sliding_window", true},
                           {"sliding_window", 16}})["layer_types"];
  CHECK(types == json({"full_attention", "full_attention", "full_attention", "sliding_attention"}));
}

// The signatures of __init__ in configuration_*.py of transformers 4.57.
TEST_CASE("defaults that a class does not share with its kin") {
  const std::pair<const char*, double> eps[] = {
      {"llama", 1e-6}, {"phi3", 1e-5},    {"olmo2", 1e-5},  {"glm4", 1.5625e-07},
      {"olmoe", 1e-5}, {"granite", 1e-6}, {"gpt_oss", 1e-5}};
  for (const auto& fact : eps) {
    CAPTURE(fact.first);
    CHECK(spec({{"model_type", fact.first}})["norm_layer"]["eps"] == fact.second);
  }
  CHECK(spec({{"model_type", "glm4_moe"}})["norm_layer"]["eps"] == 1e-5);
  CHECK(spec({{"model_type", "roberta"}})["vocab_size"] == 50265);
  CHECK(spec({{"model_type", "xlm-roberta"}})["vocab_size"] == 30522);
  CHECK(spec({{"model_type", "camembert"}})["vocab_size"] == 30522);
  CHECK(spec({{"architectures", {"CamembertModel"}}})["vocab_size"] == 30522);
}

// OPTDecoder.forward drops nothing out of the embeddings; each layer does twice.
TEST_CASE("OPT's dropouts stand in its layers alone") {
  const auto opt = test::trace({{"model_type", "opt"}, {"num_hidden_layers", 3}},
                               {.training = true, .seq_len = 4});
  CHECK(test::number_of<op::Dropout>(opt) == 6);
}

// modeling_*.py: GPT-2's, GPT-Neo's, GPT-NeoX', BLOOM's, Falcon's and MPT's classes call the layer
// `classifier`; GenericForTokenClassification, which all others are made of, calls it `score`. Each
// drops out before it, by 0.1 where the config gives no rate.
TEST_CASE("scores of tokens: the layer's name and its dropout") {
  const std::pair<const char*, const char*> heads[] = {
      {"GPT2", "classifier"},  {"GPTNeo", "classifier"}, {"GPTNeoX", "classifier"},
      {"Bloom", "classifier"}, {"Falcon", "classifier"}, {"Mpt", "classifier"},
      {"Llama", "score"},      {"Qwen2", "score"},       {"Gemma2", "score"}};
  for (const auto& head : heads) {
    const std::string prefix = head.first;
    CAPTURE(prefix);
    const json config = {{"architectures", {prefix + "ForTokenClassification"}}};
    CHECK(spec(config)["classifier_dropout"] ==
          (prefix == "Bloom" || prefix == "Falcon" ? 0.0 : 0.1));
    const auto graph = test::trace(config, {.seq_len = 2});
    CHECK(path_of(graph, graph.params.back()) == head.second + std::string(".bias"));
  }
  CHECK(spec({{"architectures", {"LlamaForTokenClassification"}},
              {"classifier_dropout", 0.3}})["classifier_dropout"] == 0.3);
}

TEST_CASE("Falcon's three kinds of keys and values") {
  auto kv = [](json more) {
    more["model_type"] = "falcon";
    return spec(more)["num_key_value_heads"];
  };
  CHECK(kv({}) == 1);
  CHECK(kv({{"num_kv_heads", 8}}) == 1);  // multi_query overrules it
  CHECK(kv({{"num_kv_heads", 8},
            {"new_decoder_architecture", true},
            {"num_attention_heads", 64},
            {"hidden_size", 4096}}) == 8);
  CHECK(kv({{"multi_query", false}}).is_null());
  CHECK(kv({{"multi_query", false}, {"num_kv_heads", 8}}).is_null());
}

// configuration_utils.py of transformers: num_labels is len(id2label), with a warning where both
// are given and differ.
TEST_CASE("labels have names before they have a number") {
  const json config = {{"architectures", {"LlamaForSequenceClassification"}},
                       {"num_hidden_layers", 2},
                       {"num_labels", 5},
                       {"id2label", {{"0", "a"}, {"1", "b"}, {"2", "c"}}}};
  CHECK(spec(config)["num_labels"] == 3);
  CHECK(test::model(config).notes.size() == 1);
  CHECK(spec({{"model_type", "vit"},
              {"architectures", {"ViTForImageClassification"}},
              {"num_labels", 5},
              {"id2label", {{"0", "a"}}}})["num_classes"] == 1);
}

// transformers' ViT cuts off what fills no patch: num_patches = (image_size // patch_size)^2.
TEST_CASE("an image that patches do not fill is cut as the library cuts it") {
  for (const char* type : {"vit", "deit", "clip_vision_model", "dinov2"})
    CHECK(params({{"model_type", type}, {"image_size", 225}, {"patch_size", 16}}) ==
          params({{"model_type", type}, {"image_size", 224}, {"patch_size", 16}}));
}

// No field but the type: every default must make a model.
TEST_CASE("every model type makes a model of its library's defaults") {
  for (const auto& type : hf_model_types()) {
    CAPTURE(type);
    json config = {{"model_type", type}};
    // A class whose defaults make no model.
    if (type == "deepseek_v2") config["num_experts_per_tok"] = 6;
    if (type == "esm") config["vocab_size"] = 33;
    const auto graph = test::model(config).build({.seq_len = 8});
    CHECK(parameters(graph).sum() > 0);
    CHECK(macs_by_module(graph).sum() > 0);
    MemoryOptions inference;
    inference.training = false;
    inference.precision = precision("bf16");
    CHECK(needed_memory(graph, inference) > parameters(graph).sum() * 2);
  }
}

TEST_CASE("configs of other versions of the library") {
  const auto llama = params({{"model_type", "llama"}});
  // Fields that say what is so anyway, under the names that versions 4 and 5 give them.
  CHECK(params({{"model_type", "llama"},
                {"architectures", {"LLaMAForCausalLM"}},
                {"num_key_value_heads", nullptr},
                {"head_dim", nullptr},
                {"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}}},
                {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 1e4}}},
                {"dtype", "bfloat16"},
                {"quantization_config", nullptr}}) == llama);
  CHECK(spec({{"model_type", "phi"},
              {"rope_parameters", {{"partial_rotary_factor", 0.25}}}})["rotary_dim"] == 16);
  // Layer by layer, or by a pattern.
  auto gemma = json{{"model_type", "gemma3_text"}, {"num_hidden_layers", 2}};
  gemma["layer_types"] = {"full_attention", "sliding_attention"};
  CHECK(spec(gemma)["layer_types"] == gemma["layer_types"]);
  gemma.erase("layer_types");
  gemma["_sliding_window_pattern"] = 2;
  CHECK(spec(gemma)["layer_types"] == json({"sliding_attention", "full_attention"}));
  // Windows that a switch turns off.
  CHECK(spec({{"model_type", "qwen2"},
              {"use_sliding_window", false},
              {"sliding_window", 4096}})["sliding_window"]
            .is_null());
  // A model of two parts: the head is tied where the whole says so.
  const auto gemma3 = params({{"model_type", "gemma3"}, {"text_config", nullptr}});
  CHECK(gemma3 == params({{"model_type", "gemma3_text"}}));
  CHECK(params({{"model_type", "gemma3"}, {"tie_word_embeddings", false}}) >
        gemma3 + Count(262208) * 2304 - Count(1));
  CHECK(params({{"model_type", "llama"}, {"tie_word_embeddings", true}}) + Count(32000) * 4096 ==
        llama);
}

TEST_CASE("faults name the field of the user's file") {
  const struct {
    json config;
    const char* message;
  } faults[] = {
      {{{"model_type", "lama"}},
       "config.json: /model_type: unknown model_type 'lama'; did you mean 'llama'"},
      {{{"model_type", "t4"}}, "known: "},
      {{{"architectures", {"FooForCausalLM"}}}, "/architectures: unknown class 'FooForCausalLM'"},
      {{{"model_type", "clip"}, {"architectures", {"ClipForFun"}}},
       "'ClipForFun' is no class of model_type 'clip'"},
      {{{"model_type", "gpt2"}, {"n_embd", "768"}},
       "config.json: /n_embd: expected an integer, got \"768\""},
      {{{"model_type", "gpt2"}, {"n_embd", 770}}, "config.json: /n_embd: 770 is not divisible"},
      {{{"model_type", "gpt2"}, {"add_cross_attention", true}},
       "/add_cross_attention: true changes the model's shape"},
      {{{"model_type", "llama"}, {"pruned_heads", {{"0", {1}}}}}, "/pruned_heads: "},
      {{{"model_type", "deepseek_v2"}}, "/num_experts_per_tok: missing"},
      {{{"model_type", "mpt"}, {"attn_config", {{"qk_ln", true}}}},
       "/attn_config/qk_ln: not supported"},
      {{{"model_type", "gpt_neo"}, {"attention_types", 3}}, "/attention_types: "},
      {{{"model_type", "gemma2"}, {"layer_types", {"sliding_attention"}}},
       "/layer_types: 1 entries for 26 layers"},
      {{{"model_type", "llama"}, {"hidden_act", "magic"}}, "/hidden_act: unknown value 'magic'"},
      {{{"model_type", "llama"}, {"num_hidden_layers", 1e18}}, "/num_hidden_layers: "},
      {{{"model_type", "gemma2"}, {"num_hidden_layers", 1e18}}, "/num_hidden_layers: "},
      {{{"model_type", 3}}, "/model_type: expected a string"},
  };
  for (const auto& f : faults) {
    CAPTURE(test::dumped(f.config));
    const auto message = fault(f.config);
    CAPTURE(message);
    CHECK(message.find(f.message) != std::string::npos);
  }
}

TEST_CASE("fields of no known effect are told, the usual ones are not") {
  CHECK(test::model({{"model_type", "llama"},
                     {"num_hidden_layers", 2},
                     {"bos_token_id", 1},
                     {"torch_dtype", "bfloat16"}})
            .notes.empty());
  const auto notes =
      test::model({{"model_type", "llama"}, {"num_hidden_layers", 2}, {"my_field", 1}}).notes;
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].find("my_field") != std::string::npos);
}

TEST_CASE("a folder with nothing but a config.json is a model, named after the folder") {
  const test::TemporaryFolder parent;
  const auto folder = std::filesystem::path(parent.path()) / "tiny-llama";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json")
      << R"({"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2})";
  for (const auto& argument : {folder.string(), (folder / "config.json").string()}) {
    const auto result = test::run({"summary", argument, "--seq-len", "5", "--format", "json"});
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    const auto summary = test::parsed(result.out);
    CHECK(summary["model"] == "tiny-llama");
    CHECK(summary["totals"]["num_tokens"] == 5);
  }
  const auto empty = test::run({"summary", parent.path()});
  CHECK(empty.exit_code == 1);
  CHECK(empty.err.find("without a config.json") != std::string::npos);
}

TEST_CASE("a family that asks for a rule that is not there is a fault of vitals, and named") {
  CHECK_THROWS_WITH_AS((void)find_hf_rule("no_such_rule"),
                       "specs/hf_families.json: no rule no_such_rule", std::out_of_range);
}

TEST_CASE("what a config states in another form than the library is refused, not passed over") {
  const struct {
    const char* config;
    const char* message;
  } faults[] = {
      {R"({"model_type": "llama", "architectures": "LlamaModel"})",
       "config.json: /architectures: expected a list of class names"},
      {R"({"architectures": "Nonsense"})", "config.json: /architectures: expected a list"},
      {R"({"architectures": [3]})", "/architectures/0: expected the name of a class, got 3"},
      {R"({"architectures": []})", "/model_type: is missing, and architectures names no class"},
      {R"({"model_type": "llama", "rope_scaling": "abc"})", "/rope_scaling: expected an object"},
      {R"({"model_type": "llama", "torch_dtype": "float99"})", "/torch_dtype: unknown type 'float"},
      {R"({"model_type": "llama", "id2label": ["a"]})", "/id2label: expected an object"},
      {R"({"model_type": "mixtral", "num_local_experts": 0})", "/num_local_experts: 0 is too sm"},
      {R"({"model_type": "vit", "architecture": "vit"})",
       "/architecture: \"vit\" is an architecture of a vitals spec, but model_type"},
      {R"({"model_type": "gemma3", "text_config": {"num_key_value_heads": 3}})",
       "config.json: /text_config/num_key_value_heads: 3 do not divide"},
      {R"({"model_type": "clip", "vision_config": {"hidden_size": 770}})",
       "config.json: /vision_config/hidden_size: 770 is not divisible"},
      {R"({"model_type": "mistral3", "text_config": {"hidden_act": "magic"}})",
       "config.json: /text_config/hidden_act: unknown value 'magic'"},
      {R"({"architecture": "vit_huge", "pretrained_cfg": {}})",
       "config.json: /architecture: unknown model 'vit_huge'"},
  };
  for (const auto& f : faults) {
    CAPTURE(f.config);
    const auto message = fault(test::parsed(f.config));
    CAPTURE(message);
    CHECK(message.find(f.message) != std::string::npos);
    CHECK(message.find("(no pooler)") == std::string::npos);
  }
  const auto notes =
      test::model({{"model_type", "llama"}, {"num_hidden_layers", 2}, {"hidden_sise", 64}}).notes;
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].find("hidden_sise (did you mean 'hidden_size'?)") != std::string::npos);
}

// transformers' TimmWrapperConfig writes model_type beside timm's own fields.
TEST_CASE("a config of timm's wrapper is the same from a file and from standard input") {
  const auto text =
      R"({"architecture": "vit_tiny_patch16_224", "model_type": "timm_wrapper",
          "pretrained_cfg": {"input_size": [3, 224, 224]}})";
  const test::TemporaryFolder folder;
  const auto path = std::filesystem::path(folder.path()) / "config.json";
  std::ofstream(path) << text;
  const auto from_file = test::run({"spec", path.string()});
  CHECK(from_file.exit_code == 0);
  CHECK(from_file.err.empty());
  CHECK(spec(test::parsed(text))["embed_dim"] == test::parsed(from_file.out)["embed_dim"]);
}
