// Folders that people have beside those with a config.json: a pipeline, an adapter, Meta's and
// Mistral's params.json, weights stored in another format.
#include "cost/rollup.h"
#include "frontends/spec/load.h"
#include "frontends/spec/spec.h"
#include "support/model.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace vitals;
using nlohmann::json;

namespace {

class Folder {
 public:
  Folder& write(const std::string& name, const json& content) {
    const auto file = std::filesystem::path(folder_.path()) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content.dump();
    return *this;
  }
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return (std::filesystem::path(folder_.path()) / name).string();
  }

 private:
  test::TemporaryFolder folder_;
};

std::uint64_t folder_params(const Model& model) {
  return parameters(model.build({.seq_len = 1})).sum().value();
}

std::uint64_t folder_trained(const Model& model) {
  return trainable_parameters(model.build({.seq_len = 1})).value();
}

bool names_it(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// The published configs of stable-diffusion-v1-5 but for fields that have the classes' defaults.
void write_pipeline(Folder& f) {
  f.write("model_index.json",
          json::parse(R"({"_class_name":"StableDiffusionPipeline","_diffusers_version":"0.6.0",
            "feature_extractor":["transformers","CLIPImageProcessor"],
            "safety_checker":[null,null],"scheduler":["diffusers","PNDMScheduler"],
            "text_encoder":["transformers","CLIPTextModel"],
            "tokenizer":["transformers","CLIPTokenizer"],
            "unet":["diffusers","UNet2DConditionModel"],"vae":["diffusers","AutoencoderKL"],
            "requires_safety_checker":true})"));
  f.write("text_encoder/config.json",
          json::parse(R"({"architectures":["CLIPTextModel"],"model_type":"clip_text_model",
            "hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,
            "num_attention_heads":12,"vocab_size":49408,"max_position_embeddings":77})"));
  f.write("unet/config.json", json::parse(R"({"_class_name":"UNet2DConditionModel","sample_size":64,
            "cross_attention_dim":768,"attention_head_dim":8})"));
  f.write("vae/config.json",
          json::parse(R"({"_class_name":"AutoencoderKL","block_out_channels":[128,256,512,512],
            "layers_per_block":2,"latent_channels":4,"sample_size":512,
            "down_block_types":["DownEncoderBlock2D","DownEncoderBlock2D","DownEncoderBlock2D",
              "DownEncoderBlock2D"],
            "up_block_types":["UpDecoderBlock2D","UpDecoderBlock2D","UpDecoderBlock2D",
              "UpDecoderBlock2D"]})"));
}

json adapter(const json& changes = json::object()) {
  auto config = json::parse(R"({"peft_type":"LORA","task_type":"CAUSAL_LM","r":8,"lora_alpha":16,
      "bias":"none","lora_dropout":0.05,"base_model_name_or_path":"somewhere/else",
      "target_modules":["q_proj","v_proj"],"modules_to_save":null})");
  config.update(changes);
  return config;
}

json llama2_7b() {
  return json::parse(R"({"model_type":"llama","hidden_size":4096,"intermediate_size":11008,
      "num_hidden_layers":32,"num_attention_heads":32,"vocab_size":32000})");
}

}  // namespace

// Parameters of the parts, as diffusers and transformers count them.
TEST_CASE("model_index.json is a pipeline: its parts and their sum") {
  Folder f;
  write_pipeline(f);
  const auto model = load_model(f.path(), "");
  const auto graph = model.build();
  const auto params = parameters(graph);
  auto of = [&](std::string_view path) {
    for (ModuleId id = 0; id < graph.modules.size(); ++id)
      if (graph.modules[id].path == path) return params.total[id].value();
    return std::uint64_t{0};
  };
  CHECK(of("text_encoder") == 123'060'480);
  CHECK(of("unet") == 859'520'964);
  CHECK(of("vae") == 83'653'863);
  CHECK(params.sum() == 123'060'480 + 859'520'964 + 83'653'863);

  const auto spec = spec_of(model);
  const auto again = model_from_json(json(spec), "its own spec", "");
  CHECK(json(spec_of(again)) == json(spec));
  CHECK(parameters(again.build()).sum() == params.sum());

  f.write("unet/config.json", {{"_class_name", "NoSuchModel"}});
  const auto partial = load_model(f.path(), "");
  REQUIRE(partial.left_out.size() == 1);
  CHECK(names_it(partial.left_out[0], "/unet: UNet2DConditionModel is left out"));

  std::filesystem::remove(f.path("vae/config.json"));
  const auto fault = test::refusal([&] { return load_model(f.path(), ""); });
  CHECK(names_it(fault, "model_index.json: /vae: AutoencoderKL"));
  CHECK(names_it(fault, "config.json is missing"));
}

// PEFT's README and documentation: print_trainable_parameters() of Llama-2-7B with r=8 on queries
// and values: "trainable params: 4,194,304 || all params: 6,742,609,920"; of bigscience/mt0-large
// "trainable params: 2359296 || all params: 1231940608".
TEST_CASE("adapter_config.json: the base and its adapters") {
  Folder f;
  f.write("adapter_config.json", adapter()).write("config.json", llama2_7b());
  const auto model = load_model(f.path(), "");
  CHECK(folder_params(model) == 6'742'609'920);
  CHECK(folder_trained(model) == 4'194'304);

  Folder mt0;
  mt0.write("adapter_config.json",
            adapter({{"task_type", "SEQ_2_SEQ_LM"}, {"target_modules", {"q", "v"}}}));
  mt0.write("config.json", json::parse(R"({"model_type":"mt5","d_model":1024,"d_kv":64,"d_ff":2816,
      "num_layers":24,"num_decoder_layers":24,"num_heads":16,"vocab_size":250112,
      "feed_forward_proj":"gated-gelu","tie_word_embeddings":false})"));
  CHECK(folder_params(load_model(mt0.path(), "")) == 1'231'940'608);
  CHECK(folder_trained(load_model(mt0.path(), "")) == 2'359'296);
}

TEST_CASE("adapters of some layers, of other ranks, beside modules that are trained whole") {
  Folder f;
  f.write("config.json", llama2_7b());
  auto trained = [&](const json& changes) {
    f.write("adapter_config.json", adapter(changes));
    return folder_trained(load_model(f.path(), ""));
  };
  const std::uint64_t layer = 4'194'304 / 32;
  CHECK(trained({{"layers_to_transform", {0, 31}}}) == 2 * layer);
  CHECK(trained({{"layers_to_transform", 7}}) == layer);
  CHECK(trained({{"exclude_modules", {"v_proj"}}}) == 4'194'304 / 2);
  CHECK(trained({{"rank_pattern", {{"layers.0.self_attn.q_proj", 16}}}}) ==
        4'194'304 + 8 * (4096 + 4096));
  // The head's copy is trained; its frozen original stays.
  CHECK(trained({{"modules_to_save", {"lm_head"}}}) == 4'194'304 + 32'000 * 4096);
  CHECK(folder_params(load_model(f.path(), "")) == 6'742'609'920 + 32'000 * 4096);
}

TEST_CASE("adapters that are not described are refused, and so is a base that is not there") {
  Folder f;
  f.write("config.json", llama2_7b());
  auto fault = [&](const json& changes) {
    f.write("adapter_config.json", adapter(changes));
    return test::refusal([&] { return load_model(f.path(), ""); });
  };
  CHECK(names_it(fault({{"peft_type", "IA3"}}), "adapter_config.json: /peft_type: \"IA3\""));
  CHECK(names_it(fault({{"use_dora", true}}), "/use_dora: true is not supported"));
  CHECK(names_it(fault({{"r", 0}}), "/r: expected a rank of 1 or more, got 0"));
  CHECK(
      names_it(fault({{"target_modules", ".*proj"}}), "/target_modules: is a regular expression"));
  CHECK(names_it(fault({{"target_modules", {"nothing"}}}), "no linear layer is called 'nothing'"));
  CHECK(names_it(fault({{"modules_to_save", {"nothing"}}}), "no module is called 'nothing'"));
  std::filesystem::remove(f.path("config.json"));
  CHECK(names_it(fault(json::object()), "put the base's config.json beside adapter_config.json"));
}

// The files as published with the weights; counts from the models' papers and model cards.
TEST_CASE("params.json of Meta and Mistral") {
  Folder f;
  auto params = [&](const char* text) {
    f.write("params.json", json::parse(text));
    return folder_params(load_model(f.path(), ""));
  };
  CHECK(params(R"({"dim":4096,"n_layers":32,"n_heads":32,"n_kv_heads":8,"vocab_size":128256,
      "multiple_of":1024,"ffn_dim_multiplier":1.3,"norm_eps":1e-05,"rope_theta":500000.0})") ==
        8'030'261'248);
  CHECK(params(R"({"dim":8192,"multiple_of":4096,"ffn_dim_multiplier":1.3,"n_heads":64,
      "n_kv_heads":8,"n_layers":80,"norm_eps":1e-05,"vocab_size":-1})") == 68'976'648'192);
  CHECK(names_it(load_model(f.path(), "").notes.back(), "32000 are taken"));
  CHECK(params(R"({"dim":4096,"n_layers":32,"head_dim":128,"hidden_dim":14336,"n_heads":32,
      "n_kv_heads":8,"norm_eps":1e-05,"vocab_size":32000,
      "moe":{"num_experts_per_tok":2,"num_experts":8}})") == 46'702'792'704);
}

TEST_CASE("weights that are stored in another format are told") {
  Folder f;
  auto config = llama2_7b();
  config["quantization"] = {{"group_size", 64}, {"bits", 4}};  // MLX
  f.write("config.json", config);
  CHECK(
      names_it(load_model(f.path(), "").notes.back(), "stored quantised in 4 bits, groups of 64"));
  f.write("config.json", llama2_7b());
  f.write("hf_quant_config.json", json::parse(R"({"producer":{"name":"modelopt","version":"0.23.0"},
            "quantization":{"quant_algo":"FP8","kv_cache_quant_algo":"FP8"}})"));
  CHECK(names_it(load_model(f.path(), "").notes.back(), "the weights are stored as FP8"));
  CHECK(names_it(test::refusal([&] { return load_model(f.path("hf_quant_config.json"), ""); }),
                 "says how weights are stored, not what they are; name the config.json beside it"));
}
