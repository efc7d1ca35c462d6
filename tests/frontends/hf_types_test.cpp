// Types of Hugging Face configs that are described as data: exact parameters, what is refused, and
// what is said of the rest.
#include "cost/rollup.h"
#include "frontends/spec/spec.h"
#include "support/model.h"
#include "support/refusal.h"

#include <doctest/doctest.h>

using namespace vitals;
using nlohmann::json;

namespace {

std::uint64_t params_of(const json& config) {
  return parameters(test::model(config).build({.seq_len = 1})).sum().value();
}

std::string fault_of(const json& config) {
  return test::refusal([&] { return test::model(config).build({.seq_len = 1}); });
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

// T5Config: keyword arguments overwrite what feed_forward_proj is split into. The text encoder of
// Stable Diffusion 3: google/t5-v1_1-xxl, encoder alone.
TEST_CASE("T5 with a stated is_gated_act") {
  CHECK(params_of(json::parse(R"({"model_type":"t5","architectures":["T5EncoderModel"],
      "d_model":4096,"d_ff":10240,"num_layers":24,"num_heads":64,"is_gated_act":true,
      "dense_act_fn":"gelu_new"})")) == 4'762'310'656);
  // google/flan-t5-large before its feed_forward_proj was mended.
  CHECK(params_of(json::parse(R"({"model_type":"t5","d_model":1024,"d_ff":2816,"num_layers":24,
      "num_heads":16,"feed_forward_proj":"gelu","is_gated_act":true,
      "tie_word_embeddings":false})")) == 783'150'080);
}

// CLIPConfig: text_config.update(CLIPTextConfig(**text_config_dict).to_dict()); openai/clip-vit-
// large-patch14 was published so.
TEST_CASE("CLIP's parts given as text_config_dict and vision_config_dict") {
  CHECK(params_of(json::parse(R"({"model_type":"clip","projection_dim":768,
      "text_config_dict":{"hidden_size":768,"intermediate_size":3072,"num_attention_heads":12,
        "num_hidden_layers":12},
      "vision_config_dict":{"hidden_size":1024,"intermediate_size":4096,"num_attention_heads":16,
        "num_hidden_layers":24,"patch_size":14}})")) == 427'616'513);
}

// getattr(config, "head_dim", hidden_size // num_attention_heads) in modeling_*.py.
TEST_CASE("heads whose size is stated") {
  const json sizes = {{"vocab_size", 1000},
                      {"hidden_size", 256},
                      {"intermediate_size", 512},
                      {"num_attention_heads", 4},
                      {"num_hidden_layers", 1},
                      {"num_key_value_heads", 4},
                      {"head_dim", 32}};
  auto of = [&](const char* type) {
    auto config = sizes;
    config["model_type"] = type;
    return params_of(config);
  };
  CHECK(of("olmo2") == 1'037'312);
  // Without norms of queries and keys, and with those of the layer before its halves or none.
  CHECK(of("olmo") == 1'037'312 - 2 * 128 - 3 * 256);
  CHECK(of("cohere") == 2 * 256 + 1000 * 256 + 4 * 256 * 128 + 3 * 256 * 512);
  CHECK(of("starcoder2") ==
        1000 * 256 + (4 * 256 * 128 + 3 * 128 + 256) + (2 * 256 * 512 + 512 + 256) + 3 * 2 * 256);
}

// SwinSelfAttention makes its table for config.window_size, whatever the grid.
TEST_CASE("Swin's tables of biases keep the window's size on small images") {
  CHECK(params_of({{"model_type", "swin"}, {"architectures", {"SwinModel"}}, {"image_size", 64}}) ==
        27'519'354);
}

// DeepseekV3MLP has no biases, whatever mlp_bias says.
TEST_CASE("DeepSeek-V3 does not read mlp_bias") {
  const json small = {{"model_type", "deepseek_v3"}, {"num_hidden_layers", 4}, {"hidden_size", 64}};
  auto biased = small;
  biased["mlp_bias"] = true;
  CHECK(params_of(biased) == params_of(small));
}

TEST_CASE("a size by a name that the type does not read is refused") {
  CHECK(
      contains(fault_of({{"model_type", "llama"}, {"dim", 4096}}), "did you mean 'hidden_size'?"));
  CHECK(contains(fault_of({{"model_type", "llama"}, {"hidden_size", 64}, {"n_layers", 3}}),
                 "/n_layers: "));
  // Beside the type's own field it has no effect, and is told.
  const auto model = test::model({{"model_type", "llama"}, {"hidden_size", 4096}, {"dim", 4096}});
  CHECK(contains(model.notes.at(0), "dim"));
}

TEST_CASE("what no count contains is told, and so is what the class decides") {
  const auto composite = test::model({{"model_type", "aya_vision"},
                                      {"text_config", json::object()},
                                      {"vision_config", {{"a", 1}}}});
  REQUIRE(composite.left_out.size() == 1);
  CHECK(contains(composite.left_out[0], "vision_config: left out"));
  CHECK(contains(composite.all_notes().at(1), "text_config/hidden_size: absent"));
  const auto v3 = test::model({{"model_type", "deepseek_v3"}, {"num_nextn_predict_layers", 1}});
  CHECK(v3.left_out.size() == 1);
  const json llama = {{"model_type", "llama"},    {"hidden_size", 64},
                      {"num_hidden_layers", 1},   {"intermediate_size", 128},
                      {"num_attention_heads", 2}, {"vocab_size", 100}};
  CHECK(test::model(llama).by_default.empty());
  // An absent size that moves the count is said, whichever it is (granite-4.0-h-micro as a table of
  // models printed it, without shared_intermediate_size).
  auto without = [&](const char* field) {
    auto config = llama;
    config.erase(field);
    return test::model(config).by_default.at(0);
  };
  CHECK(contains(without("vocab_size"), "taken from the class's defaults: vocab_size 32000"));
  CHECK(contains(without("intermediate_size"), "intermediate_size 11008"));
  CHECK(contains(
      test::model({{"model_type", "granitemoehybrid"}, {"num_local_experts", 0}}).by_default.back(),
      "shared_intermediate_size 1024"));
  // A draft model's class around known layers: EAGLE and its kin.
  auto draft = llama;
  draft["architectures"] = {"PEagleDraftModel"};
  CHECK(contains(test::model(draft).left_out.at(0), "the class 'PEagleDraftModel' is unknown"));
}

TEST_CASE("an unknown type is described by its class, or by its text part") {
  const json llama = {{"hidden_size", 64}, {"num_hidden_layers", 1}, {"intermediate_size", 128}};
  auto known = llama;
  known["model_type"] = "llama";
  auto by_class = llama;
  by_class["model_type"] = "someones_llama";
  by_class["architectures"] = {"LlamaForCausalLM"};
  CHECK(params_of(by_class) == params_of(known));
  CHECK(contains(test::model(by_class).notes.at(0), "'someones_llama' is unknown"));
  const json whole = {
      {"model_type", "someones_vlm"}, {"llm_config", known}, {"vision_config", {{"a", 1}}}};
  CHECK(params_of(whole) == params_of(known));
  CHECK(test::model(whole).left_out.size() == 1);
  CHECK(contains(fault_of({{"model_type", "nonesuch"}}), "--as TYPE"));
  // Names of the same family, not of the same letters.
  CHECK(!contains(fault_of({{"model_type", "git"}}), "did you mean"));
  CHECK(contains(fault_of({{"model_type", "qwen9"}}), "'qwen2'"));
}

// Published parameter counts: safetensors' totals of the models named.
TEST_CASE("decoders that are a row of data") {
  const std::pair<const char*, std::uint64_t> facts[] = {
      // microsoft/phi-1_5 as it was first published
      {R"({"model_type":"phi-msft","architectures":["PhiForCausalLM"],"n_embd":2048,"n_head":32,
           "n_layer":24,"n_positions":2048,"rotary_dim":32,"vocab_size":51200})",
       1'418'270'720},
      // allenai/Olmo-3-7B
      {R"({"model_type":"olmo3","hidden_size":4096,"num_hidden_layers":32,"num_attention_heads":32,
           "num_key_value_heads":32,"intermediate_size":11008,"vocab_size":100278})",
       7'298'011'136},
      // LGAI-EXAONE/EXAONE-4.0-32B
      {R"({"model_type":"exaone4","hidden_size":5120,"num_hidden_layers":64,
           "num_attention_heads":40,"num_key_value_heads":8,"head_dim":128,
           "intermediate_size":27392,"vocab_size":102400,"sliding_window_pattern":"LLLG"})",
       32'003'216'384},
  };
  for (const auto& fact : facts) {
    CAPTURE(fact.first);
    CHECK(params_of(json::parse(fact.first)) == fact.second);
  }
  // moonshotai/Kimi-K2-Instruct is a DeepSeek-V3 of 384 experts.
  CHECK(params_of({{"model_type", "kimi_k2"}}) ==
        params_of(json::parse(R"({"model_type":"deepseek_v3","vocab_size":163840,
            "num_attention_heads":64,"n_routed_experts":384,"first_k_dense_replace":1})")));
}

TEST_CASE("GPT-BigCode: one head of keys and values, or all") {
  const json santacoder = {{"model_type", "gpt_bigcode"},
                           {"n_embd", 2048},
                           {"n_layer", 24},
                           {"n_head", 16},
                           {"n_inner", 8192},
                           {"vocab_size", 49280},
                           {"n_positions", 2048}};
  // h = 2048, d = 128: per layer (h + 2d) h + (h + 2d) and h h + h, two MLP matrices, two norms.
  const std::uint64_t layer =
      (2048 + 256) * 2048 + 2304 + 2048 * 2048 + 2048 + 2 * 2048 * 8192 + 8192 + 2048 + 4 * 2048;
  CHECK(params_of(santacoder) == (49280 + 2048) * 2048 + 24 * layer + 2 * 2048);
  auto all_heads = santacoder;
  all_heads["multi_query"] = false;
  CHECK(params_of(all_heads) - params_of(santacoder) == 24ull * 2 * 15 * 128 * (2048 + 1));
}

// Published parameter counts of encoders with rotary positions: nomic-ai/nomic-embed-text-v1.5 and
// answerdotai/ModernBERT-base (with its head, 149,655,232).
TEST_CASE("encoders with rotary positions") {
  CHECK(params_of(json::parse(R"({"model_type":"nomic_bert","architectures":["NomicBertModel"],
      "qkv_proj_bias":false,"mlp_fc1_bias":false,"mlp_fc2_bias":false,"n_positions":8192})")) ==
        136'731'648);
  CHECK(params_of({{"model_type", "modernbert"}, {"architectures", {"ModernBertForMaskedLM"}}}) ==
        149'655'232);
  // facebook/esm2_t6_8M_UR50D with its head and its regression of contacts.
  CHECK(params_of(json::parse(R"({"model_type":"esm","architectures":["EsmForMaskedLM"],
      "hidden_size":320,"num_hidden_layers":6,"num_attention_heads":20,"intermediate_size":1280,
      "vocab_size":33,"position_embedding_type":"rotary","emb_layer_norm_before":false})")) ==
        7'840'794);
}

TEST_CASE("sparse attention's indexer, and layers of several head sizes") {
  // zai-org/GLM-5 without its layer that predicts a second token (9,952,920,576).
  CHECK(params_of({{"model_type", "glm_moe_dsa"}}) == 743'911'218'432);
  // Two kinds of layers: 4 heads of keys of width 192 and 8, with values of 128.
  const json mimo = {{"model_type", "mimo_v2_flash"},
                     {"num_hidden_layers", 2},
                     {"hybrid_layer_pattern", {0, 1}},
                     {"moe_layer_freq", {0, 1}},
                     {"vocab_size", 1000}};
  const std::uint64_t h = 4096;
  const std::uint64_t q = h * 64 * 192 + 64 * 128 * h;
  const auto full = q + h * 4 * (192 + 128);
  const auto sliding = q + h * 8 * (192 + 128) + 64;
  const auto experts = 256 * 3 * h * 2048 + 256 * h + 256;
  CHECK(params_of(mimo) == 2 * 1000 * h + h + 4 * h + full + sliding + 3 * h * 16384 + experts);
}

// modeling_gemma4.py: the last layers have queries alone, and a feed-forward of twice the width.
TEST_CASE("Gemma 4: shared keys and per-layer embeddings") {
  const json small = {
      {"model_type", "gemma4_text"},
      {"vocab_size", 100},
      {"hidden_size", 64},
      {"intermediate_size", 128},
      {"num_hidden_layers", 4},
      {"num_attention_heads", 2},
      {"num_key_value_heads", 1},
      {"head_dim", 16},
      {"global_head_dim", 32},
      {"num_kv_shared_layers", 2},
      {"use_double_wide_mlp", true},
      {"hidden_size_per_layer_input", 8},
      {"vocab_size_per_layer_input", 100},
      {"layer_types",
       {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}}};
  const std::uint64_t h = 64;
  const auto attention = [&](std::uint64_t d, bool own) {
    return 2 * h * 2 * d + d + (own ? 2 * h * d + d : 0);
  };
  const auto rest = 4 * h + h + 2 * h * 8;
  const auto layers = attention(16, true) + attention(32, true) + attention(16, false) +
                      attention(32, false) + 4 * rest + 2 * 3 * h * 128 + 2 * 3 * h * 256;
  CHECK(params_of(small) == 100 * h + h + layers + 100 * 32 + h * 32 + 8);
}

// EAGLE-3 heads as SpecForge trains them: fc [h, 3 h], one layer whose queries, keys and values
// read 2 h features, a norm of each half of them, and a head of its own vocabulary.
TEST_CASE("a draft model beside its table of words") {
  const std::uint64_t h = 64;
  CHECK(params_of({{"model_type", "llama"},
                   {"architectures", {"LlamaForCausalLMEagle3"}},
                   {"hidden_size", h},
                   {"intermediate_size", 128},
                   {"num_hidden_layers", 1},
                   {"num_attention_heads", 4},
                   {"num_key_value_heads", 2},
                   {"vocab_size", 1000},
                   {"draft_vocab_size", 100}}) ==
        1000 * h + 3 * h * h + 2 * h * (h + 2 * 32) + h * h + 3 * h * 128 + 3 * h + h + 100 * h);
}

// Published parameter counts of hybrids; layers that predict further tokens, which the library does
// not load, are in the published count and not in ours: 1,650,471,424 of Qwen3-Next.
TEST_CASE("recurrences instead of attention") {
  const std::pair<const char*, std::uint64_t> facts[] = {
      // state-spaces/mamba-130m-hf
      {R"({"model_type":"mamba","num_hidden_layers":24})", 129'135'360},
      // Qwen/Qwen3-Next-80B-A3B: 81,324,862,720 with its predictor
      {R"({"model_type":"qwen3_next","hidden_size":2048})", 79'674'391'296},
      // Qwen/Qwen3.5-9B: 9,653,104,368 with a vision tower of 456,010,480 and a predictor of
      // 243,290,624
      {R"({"model_type":"qwen3_5_text","hidden_size":4096,"num_hidden_layers":32})", 8'953'803'264},
      // nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B
      {R"({"model_type":"nemotron_h","hidden_size":2688,"num_hidden_layers":52,
           "hybrid_override_pattern":"MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
           "mamba_num_heads":64,"num_key_value_heads":2,"n_routed_experts":128,
           "num_experts_per_tok":6,"moe_intermediate_size":1856,
           "moe_shared_expert_intermediate_size":3712})",
       31'577'937'344},
      // ibm-granite/granite-4.0-h-micro
      {R"({"model_type":"granitemoehybrid","hidden_size":2048,"num_hidden_layers":40,
           "vocab_size":100352,"shared_intermediate_size":8192,"num_local_experts":0,
           "num_experts_per_tok":0,"mamba_n_heads":64,"mamba_d_state":128,
           "num_attention_heads":32,"num_key_value_heads":8,"tie_word_embeddings":true,
           "layer_types":["mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba",
             "mamba","mamba","mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba",
             "mamba","mamba","mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba",
             "mamba","mamba","mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba",
             "mamba","mamba"]})",
       3'191'396'096},
      // LiquidAI/LFM2-1.2B, the language model of LFM2.5-VL-1.6B
      {R"({"model_type":"lfm2","hidden_size":2048,"num_hidden_layers":16,
           "full_attn_idxs":[2,5,8,10,12,14]})",
       1'170'340'608},
  };
  for (const auto& fact : facts) {
    CAPTURE(fact.first);
    CHECK(params_of(json::parse(fact.first)) == fact.second);
  }
}

// A state of constant size: a longer past takes no more memory, and no more products a token.
TEST_CASE("a recurrence keeps no token") {
  const auto model = test::model({{"model_type", "mamba"}, {"num_hidden_layers", 2}});
  const auto products = [&](std::uint64_t past) {
    return macs_by_module(model.build({.seq_len = 1, .past_len = past})).sum();
  };
  CHECK(products(16) == products(1600));
}

// The sizes of MiniMax-M3's text part: 9 matrices of the shared expert and three dense layers less
// would be 15 % of the difference; the indexer of its sparse attention is told to be left out.
TEST_CASE("types that are known layers under other names of fields") {
  const auto m3 = test::model({{"model_type", "minimax_m3"},
                               {"moe_layer_freq", {0, 1}},
                               {"num_hidden_layers", 2},
                               {"num_local_experts", 4},
                               {"hidden_size", 512},
                               {"intermediate_size", 256},
                               {"dense_intermediate_size", 1024},
                               {"shared_intermediate_size", 256},
                               {"vocab_size", 1000},
                               {"num_attention_heads", 8},
                               {"num_key_value_heads", 2},
                               {"hidden_act", "swigluoai"},
                               {"sparse_attention_config", {{"use_sparse_attention", true}}}});
  const std::uint64_t attention = 512 * 128 * (2 * 8 + 2 * 2) + 2 * 128;
  const std::uint64_t dense = 3 * 512 * 1024;
  const std::uint64_t experts = 4 * 3 * 512 * 256 + 3 * 512 * 256 + 4 * 512 + 4;
  const auto graph = m3.build({.seq_len = 1});
  CHECK(parameters(graph).sum().value() >= 2 * attention + dense + experts + 2 * 1000 * 512);
  CHECK(parameters(graph).sum().value() <=
        2 * attention + dense + experts + 2 * 1000 * 512 + 5 * 512 + 4);
  CHECK(contains(m3.left_out.at(0), "the indexer"));
  // A part inside a part: the thinker's text.
  const auto omni =
      test::model({{"model_type", "qwen3_omni_moe"},
                   {"thinker_config", {{"text_config", {{"num_hidden_layers", 1}}}}}});
  CHECK(omni.build({.seq_len = 1}).params.size() > 0);
  CHECK(contains(
      test::model({{"model_type", "mllama"},
                   {"text_config", {{"cross_attention_layers", {1}}, {"num_hidden_layers", 2}}}})
          .left_out.at(0),
      "attend to the image"));
}

// num_parameters() of facebook/wav2vec2-base-960h, wav2vec2-base, hubert-base-ls960,
// wavlm-base, and wav2vec2-xls-r-300m without its head.
TEST_CASE("encoders of sound") {
  CHECK(params_of({{"model_type", "wav2vec2"}, {"architectures", {"Wav2Vec2ForCTC"}}}) ==
        94'396'320);
  CHECK(params_of({{"model_type", "wav2vec2"}, {"architectures", {"Wav2Vec2ForPreTraining"}}}) ==
        95'044'608);
  CHECK(params_of({{"model_type", "hubert"}}) == 94'371'712);
  CHECK(params_of({{"model_type", "wavlm"}}) == 94'381'936);
  CHECK(params_of(json::parse(R"({"model_type":"wav2vec2","hidden_size":1024,
      "num_hidden_layers":24,"num_attention_heads":16,"intermediate_size":4096,
      "do_stable_layer_norm":true,"feat_extract_norm":"layer","conv_bias":true})")) == 315'438'720);
}

// black-forest-labs/FLUX.1-schnell, FLUX.1-dev and stabilityai/stable-diffusion-3-medium:
// elements of the tensors in their checkpoints, without the positions' buffer.
TEST_CASE("denoisers of diffusers, by their _class_name") {
  json flux = {{"_class_name", "FluxTransformer2DModel"}, {"guidance_embeds", false}};
  CHECK(params_of(flux) == 11'891'178'560);
  flux["guidance_embeds"] = true;
  CHECK(params_of(flux) == 11'901'408'320);
  CHECK(params_of(json::parse(R"({"_class_name":"SD3Transformer2DModel","attention_head_dim":64,
      "caption_projection_dim":1536,"in_channels":16,"joint_attention_dim":4096,
      "num_attention_heads":24,"num_layers":24,"out_channels":16,"patch_size":2,
      "pooled_projection_dim":2048,"sample_size":128})")) == 2'028'328'000);
  CHECK(contains(fault_of({{"_class_name", "NoSuchModel"}}), "NoSuchModel"));
}

// The UNets of stable-diffusion-v1-5 and stable-diffusion-xl-base-1.0 and the former's autoencoder:
// num_parameters() of diffusers' classes.
TEST_CASE("UNets and autoencoders of diffusers") {
  CHECK(params_of({{"_class_name", "UNet2DConditionModel"},
                   {"cross_attention_dim", 768},
                   {"attention_head_dim", 8}}) == 859'520'964);
  CHECK(params_of(json::parse(R"({"_class_name":"UNet2DConditionModel","cross_attention_dim":2048,
      "attention_head_dim":[5,10,20],"block_out_channels":[320,640,1280],
      "down_block_types":["DownBlock2D","CrossAttnDownBlock2D","CrossAttnDownBlock2D"],
      "up_block_types":["CrossAttnUpBlock2D","CrossAttnUpBlock2D","UpBlock2D"],
      "transformer_layers_per_block":[1,2,10],"use_linear_projection":true,
      "addition_embed_type":"text_time","projection_class_embeddings_input_dim":2816,
      "sample_size":128})")) == 2'567'463'684);
  CHECK(params_of(json::parse(R"({"_class_name":"AutoencoderKL","layers_per_block":2,
      "block_out_channels":[128,256,512,512],"sample_size":256})")) == 83'653'863);
  CHECK(contains(
      fault_of({{"_class_name", "UNet2DConditionModel"}, {"down_block_types", {"DownBlock2D"}}}),
      "/down_block_types: 1 blocks"));
}

// modeling_deberta_v2.py's ConvLayer: a Conv1d of the width, with a bias, and a LayerNorm.
TEST_CASE("DeBERTa v2's convolution behind the first layer") {
  json config = {{"model_type", "deberta-v2"},   {"hidden_size", 64},
                 {"num_hidden_layers", 2},       {"num_attention_heads", 4},
                 {"intermediate_size", 128},     {"vocab_size", 100},
                 {"max_position_embeddings", 32}};
  const auto without = params_of(config);
  config["conv_kernel_size"] = 3;
  CHECK(params_of(config) == without + 64 * 64 * 3 + 64 + 2 * 64);
  config["conv_groups"] = 4;
  CHECK(params_of(config) == without + 64 * 16 * 3 + 64 + 2 * 64);
  config["conv_kernel_size"] = 4;
  CHECK(contains(fault_of(config), "expected an odd kernel"));
}

// Published: facebook/dinov3-vitl16-pretrain-lvd1689m and -vith16plus (model pages); the others are
// torchvision's and timm's counts, whose layers these are.
TEST_CASE("image encoders as rows of data: DINOv3, ConvNeXt, ResNet") {
  CHECK(params_of(json::parse(R"({"model_type":"dinov3_vit","architectures":["DINOv3ViTModel"],
      "num_register_tokens":4,"hidden_size":1024,"intermediate_size":4096,"num_hidden_layers":24,
      "num_attention_heads":16})")) == 303'129'600);
  CHECK(params_of(json::parse(R"({"model_type":"dinov3_vit","architectures":["DINOv3ViTModel"],
      "num_register_tokens":4,"hidden_size":1280,"intermediate_size":5120,"num_hidden_layers":32,
      "num_attention_heads":20,"use_gated_mlp":true,"hidden_act":"silu"})")) == 840'592'640);
  auto classifier = [](json config) {
    config["num_labels"] = 1000;
    return params_of(config);
  };
  CHECK(classifier(json::parse(
            R"({"model_type":"convnext","architectures":["ConvNextForImageClassification"]})")) ==
        28'589'128);
  CHECK(
      classifier(json::parse(
          R"({"model_type":"convnextv2","architectures":["ConvNextV2ForImageClassification"]})")) ==
      28'635'496);
  CHECK(classifier(json::parse(
            R"({"model_type":"resnet","architectures":["ResNetForImageClassification"]})")) ==
        25'557'032);
  CHECK(classifier(json::parse(R"({"model_type":"resnet","layer_type":"basic",
            "architectures":["ResNetForImageClassification"],"hidden_sizes":[64,128,256,512],
            "depths":[2,2,2,2]})")) == 11'689'512);
}

// The body's published count and what the head adds: a start and an end, or one score a choice.
TEST_CASE("heads that answer questions and that choose") {
  CHECK(params_of(
            json::parse(R"({"model_type":"gpt2","architectures":["GPT2ForQuestionAnswering"]})")) ==
        124'439'808 + 2 * 768 + 2);
  CHECK(params_of(
            json::parse(R"({"model_type":"bert","architectures":["BertForMultipleChoice"]})")) ==
        109'482'240 + 768 + 1);
}

// DeepSeek-V4's report: 284 billion parameters, 13 billion active, and 1.6 trillion with 49
// billion.
TEST_CASE("DeepSeek-V4: compressed keys and hyper-connections") {
  auto flash = json::parse(R"({"model_type":"deepseek_v4","architectures":["DeepseekV4ForCausalLM"],
      "num_nextn_predict_layers":1})");
  auto ratios = json::array({0, 0});
  for (int i = 2; i < 44; ++i) ratios.push_back(i % 2 == 0 ? 4 : 128);
  flash["compress_ratios"] = ratios;  // one more than layers: that of the left out layer
  const auto model = test::model(flash);
  CHECK(model.left_out.size() == 1);
  const auto graph = model.build({.seq_len = 256});
  CHECK(parameters(graph).sum().value() / 1'000'000'000 == 284);
  CHECK(active_parameters(graph).value() / 1'000'000'000 == 13);
  CHECK(
      contains(fault_of({{"model_type", "deepseek_v4"}, {"o_groups", 7}}), "/o_groups: 7 groups"));
}

// nvidia/segformer-b0-finetuned-ade-512-512 and nvidia/mit-b0: the pages' counts.
TEST_CASE("SegFormer's encoder and its head over all stages") {
  CHECK(params_of(json::parse(R"({"model_type":"segformer","num_labels":150,"image_size":512,
      "architectures":["SegformerForSemanticSegmentation"]})")) == 3'752'694);
  CHECK(params_of(json::parse(R"({"model_type":"segformer","num_labels":1000,
      "architectures":["SegformerForImageClassification"]})")) == 3'319'392 + 256 * 1000 + 1000);
}

// The paper (arXiv:2405.08748): 1.5 billion parameters.
TEST_CASE("Hunyuan-DiT") {
  const auto params = params_of(json::parse(R"({"_class_name":"HunyuanDiT2DModel","num_layers":40,
      "mlp_ratio":4.3637,"sample_size":128})"));
  CHECK((params + 50'000'000) / 100'000'000 == 15);
}
