// Language models that read images: their counts are the published ones, image encoder and
// projector included.
#include "cost/macs.h"
#include "cost/rollup.h"
#include "frontends/spec/spec.h"
#include "support/model.h"
#include "support/refusal.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace vitals;
using nlohmann::json;

namespace {

std::uint64_t vlm_params(const Model& model) {
  return parameters(model.build({.seq_len = 1})).sum().value();
}

std::uint64_t macs_at(const Model& model, std::string_view path, const BuildOptions& options = {}) {
  const auto graph = model.build(options);
  const auto macs = macs_by_module(graph);
  for (ModuleId id = 0; id < graph.modules.size(); ++id)
    if (graph.modules[id].path == path) return macs.total[id].value();
  return 0;
}

Model vlm(const char* config) { return test::model(json::parse(config)); }

constexpr const char* kQwen25 = R"({"architectures":["Qwen2_5_VLForConditionalGeneration"],
  "model_type":"qwen2_5_vl","hidden_size":3584,"intermediate_size":18944,"num_hidden_layers":28,
  "num_attention_heads":28,"num_key_value_heads":4,"vocab_size":152064,"tie_word_embeddings":false,
  "vision_config":{"depth":32,"hidden_act":"silu","hidden_size":1280,"intermediate_size":3420,
    "num_heads":16,"in_chans":3,"out_hidden_size":3584,"patch_size":14,"spatial_merge_size":2,
    "spatial_patch_size":14,"window_size":112,"fullatt_block_indexes":[7,15,23,31],
    "temporal_patch_size":2}})";

}  // namespace

// "total" of the parameters that the model's page on the hub states, from its safetensors files.
TEST_CASE("published parameters of models with an image encoder") {
  const std::pair<const char*, std::uint64_t> published[] = {
      // Qwen/Qwen2-VL-2B-Instruct
      {R"({"architectures":["Qwen2VLForConditionalGeneration"],"model_type":"qwen2_vl",
        "hidden_size":1536,"intermediate_size":8960,"num_hidden_layers":28,"num_attention_heads":12,
        "num_key_value_heads":2,"vocab_size":151936,"tie_word_embeddings":true,
        "vision_config":{"depth":32,"embed_dim":1280,"mlp_ratio":4,"num_heads":16,"in_chans":3,
          "hidden_size":1536,"patch_size":14,"spatial_merge_size":2,"temporal_patch_size":2}})",
       2'208'985'600},
      {kQwen25, 8'292'166'656},  // Qwen/Qwen2.5-VL-7B-Instruct
      // Qwen/Qwen3-VL-2B-Instruct
      {R"({"architectures":["Qwen3VLForConditionalGeneration"],"model_type":"qwen3_vl",
        "tie_word_embeddings":true,
        "text_config":{"model_type":"qwen3_vl_text","head_dim":128,"hidden_size":2048,
          "intermediate_size":6144,"num_attention_heads":16,"num_hidden_layers":28,
          "num_key_value_heads":8,"vocab_size":151936},
        "vision_config":{"model_type":"qwen3_vl","deepstack_visual_indexes":[5,11,17],"depth":24,
          "hidden_size":1024,"intermediate_size":4096,"num_heads":16,"out_hidden_size":2048,
          "num_position_embeddings":2304,"patch_size":16}})",
       2'127'532'032},
      // llava-hf/llava-1.5-7b-hf
      {R"({"architectures":["LlavaForConditionalGeneration"],"model_type":"llava",
        "projector_hidden_act":"gelu","text_config":{"model_type":"llama","vocab_size":32064},
        "vision_config":{"hidden_size":1024,"image_size":336,"intermediate_size":4096,
          "model_type":"clip_vision_model","num_attention_heads":16,"num_hidden_layers":24,
          "patch_size":14,"projection_dim":768}})",
       7'063'427'072},
      // llava-hf/llava-v1.6-mistral-7b-hf
      {R"({"architectures":["LlavaNextForConditionalGeneration"],"model_type":"llava_next",
        "text_config":{"model_type":"mistral","vocab_size":32064},
        "vision_config":{"hidden_size":1024,"image_size":336,"intermediate_size":4096,
          "model_type":"clip_vision_model","num_attention_heads":16,"num_hidden_layers":24,
          "patch_size":14,"projection_dim":768}})",
       7'566'747'648},
      // google/paligemma-3b-pt-224
      {R"({"architectures":["PaliGemmaForConditionalGeneration"],"model_type":"paligemma",
        "projection_dim":2048,"text_config":{"hidden_size":2048,"intermediate_size":16384,
          "model_type":"gemma","num_attention_heads":8,"num_hidden_layers":18,
          "num_key_value_heads":1,"vocab_size":257216},
        "vision_config":{"hidden_size":1152,"intermediate_size":4304,"patch_size":14,
          "model_type":"siglip_vision_model","num_attention_heads":16,"num_hidden_layers":27,
          "vision_use_head":false}})",
       2'923'466'480},
      // google/gemma-3-4b-it
      {R"({"architectures":["Gemma3ForConditionalGeneration"],"model_type":"gemma3",
        "mm_tokens_per_image":256,
        "text_config":{"model_type":"gemma3_text","hidden_size":2560,"intermediate_size":10240,
          "num_hidden_layers":34,"num_attention_heads":8,"num_key_value_heads":4,
          "vocab_size":262208},
        "vision_config":{"hidden_size":1152,"image_size":896,"intermediate_size":4304,
          "model_type":"siglip_vision_model","num_attention_heads":16,"num_hidden_layers":27,
          "patch_size":14,"vision_use_head":false}})",
       4'300'079'472},
      // HuggingFaceTB/SmolVLM-Instruct
      {R"({"architectures":["Idefics3ForConditionalGeneration"],"model_type":"idefics3",
        "scale_factor":3,"tie_word_embeddings":false,
        "text_config":{"model_type":"llama","hidden_size":2048,"intermediate_size":8192,
          "num_attention_heads":32,"num_hidden_layers":24,"vocab_size":49155},
        "vision_config":{"hidden_size":1152,"image_size":384,"intermediate_size":4304,
          "model_type":"idefics3","num_attention_heads":16,"num_hidden_layers":27,
          "patch_size":14}})",
       2'246'272'880},
      // microsoft/git-base
      {R"({"architectures":["GitForCausalLM"],"model_type":"git","hidden_size":768,
        "num_hidden_layers":6,"max_position_embeddings":1024,"tie_word_embeddings":false,
        "vision_config":{"model_type":"git_vision_model","patch_size":16}})",
       176'619'066},
  };
  for (const auto& fact : published) {
    const auto& config = fact.first;
    const auto& params = fact.second;
    CAPTURE(config);
    const auto model = vlm(config);
    CHECK(vlm_params(model) == params);
    CHECK(model.left_out.empty());
  }
}

// Windows of 112 pixels are 8 x 8 patches: 16 of them in an image of 448 x 448, whose 1,024 patches
// see each other in 4 of the 32 layers. A product of queries and keys and one with values, of 1,280
// features each.
TEST_CASE("windows of Qwen2.5-VL save products of attention") {
  const auto model = vlm(kQwen25);
  const auto whole = with_overrides(model, {{"vision_window_size", "0", "--set"}});
  const std::uint64_t n = 1024;
  CHECK(macs_at(whole, "visual") - macs_at(model, "visual") ==
        28 * 2 * 1280 * (n * n - 16 * 64 * 64));
  // 476 pixels are 34 patches: windows of 8 x 2 at two borders, and one of 2 x 2.
  const auto odd = with_overrides(model, {{"img_size", "476", "--img-size"}});
  const auto odd_whole = with_overrides(whole, {{"img_size", "476", "--img-size"}});
  const std::uint64_t m = 34 * 34;
  const std::uint64_t squares = 16 * 64 * 64 + 2 * 4 * 16 * 16 + 4 * 4;
  CHECK(macs_at(odd_whole, "visual") - macs_at(odd, "visual") == 28 * 2 * 1280 * (m * m - squares));
}

TEST_CASE("an image takes tokens of the sequence, and is read once") {
  const auto model = vlm(kQwen25);
  const auto notes = model.all_notes();
  CHECK(std::any_of(notes.begin(), notes.end(), [](const std::string& note) {
    return note.find("448 x 448 pixels takes 256 tokens") != std::string::npos;
  }));
  // The language model is that of a text of the same length.
  const auto text = vlm(R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2",
      "hidden_size":3584,"intermediate_size":18944,"num_hidden_layers":28,"num_attention_heads":28,
      "num_key_value_heads":4,"vocab_size":152064,"tie_word_embeddings":false})");
  const BuildOptions prompt{.seq_len = 512};
  CHECK(macs_at(model, "model", prompt) == macs_at(text, "model", prompt));
  CHECK(macs_at(model, "visual", prompt) > 0);
  CHECK(macs_at(model, "visual", {.seq_len = 1, .past_len = 511}) == 0);
}

TEST_CASE("what is wrong with an image encoder is told where it stands") {
  auto config = json::parse(kQwen25);
  config["vision_config"]["num_heads"] = 7;
  const auto fault = test::refusal([&] { return test::model(config); });
  CHECK(fault.find("/vision_hidden_size: 1280 is not divisible by") != std::string::npos);
}

// diffusers' StableDiffusionSafetyChecker: CLIP ViT-L/14 (303,179,776), its projection to 768
// features, and 20 vectors of concepts. google/owlv2-base-patch16 has 155 million parameters.
TEST_CASE("the safety checker of Stable Diffusion, and OWLv2") {
  const auto checker = vlm(R"({"architectures":["StableDiffusionSafetyChecker"],"model_type":"clip",
      "projection_dim":768,"vision_config":{"hidden_size":1024,"intermediate_size":4096,
        "num_attention_heads":16,"num_hidden_layers":24,"patch_size":14}})");
  CHECK(vlm_params(checker) == 303'179'776 + 1024 * 768 + 20 * 768);
  const auto owl = vlm(R"({"architectures":["Owlv2ForObjectDetection"],"model_type":"owlv2",
        "vision_config":{"image_size":960}})");
  CHECK((vlm_params(owl) + 500'000) / 1'000'000 == 155);
}
