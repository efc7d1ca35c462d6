// Names in checkpoints of Hugging Face's models: against those of the library's own files, and
// whether such files fit.
#include "frontends/checkpoint/match.h"
#include "frontends/checkpoint/safetensors.h"
#include "support/json.h"
#include "support/model.h"
#include "support/run.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <set>

using namespace vitals;
using nlohmann::json;

namespace {

// Every parameter under its name in a checkpoint, with its shape: "a.weight [3, 4]".
std::set<std::string> stored_names(const json& config) {
  const auto graph = test::model(config).build({.seq_len = 8});
  std::set<std::string> names;
  for (const auto& p : graph.params) names.insert(path_of(graph, p) + " " + to_string(p.shape));
  return names;
}

}  // namespace

TEST_CASE("names are those of the library's checkpoints") {
  const struct {
    json config;
    std::vector<std::string> names;
  } models[] = {
      {{{"model_type", "bert"}, {"architectures", {"BertForMaskedLM"}}},
       {"bert.embeddings.word_embeddings.weight [30522, 768]",
        "bert.embeddings.LayerNorm.bias [768]", "bert.embeddings.position_ids [1, 512]",
        "bert.encoder.layer.11.attention.self.query.weight [768, 768]",
        "bert.encoder.layer.0.attention.output.LayerNorm.weight [768]",
        "bert.encoder.layer.0.intermediate.dense.weight [3072, 768]",
        "bert.encoder.layer.0.output.LayerNorm.bias [768]", "cls.predictions.bias [30522]",
        "cls.predictions.transform.LayerNorm.weight [768]"}},
      {{{"model_type", "bert"}},
       {"embeddings.token_type_embeddings.weight [2, 768]", "pooler.dense.weight [768, 768]"}},
      {{{"model_type", "albert"}},
       {"encoder.embedding_hidden_mapping_in.weight [4096, 128]", "pooler.weight [4096, 4096]",
        "encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm.weight [4096]",
        "encoder.albert_layer_groups.0.albert_layers.0.attention.dense.weight [4096, 4096]",
        "encoder.albert_layer_groups.0.albert_layers.0.attention.LayerNorm.bias [4096]",
        "encoder.albert_layer_groups.0.albert_layers.0.ffn_output.weight [4096, 16384]"}},
      {{{"model_type", "distilbert"}, {"architectures", {"DistilBertForMaskedLM"}}},
       {"distilbert.transformer.layer.5.attention.q_lin.weight [768, 768]",
        "distilbert.transformer.layer.0.sa_layer_norm.weight [768]",
        "distilbert.transformer.layer.0.ffn.lin1.weight [3072, 768]",
        "distilbert.transformer.layer.0.output_layer_norm.bias [768]",
        "vocab_projector.bias [30522]"}},
      {{{"model_type", "t5"}, {"tie_word_embeddings", false}, {"feed_forward_proj", "gated-gelu"}},
       {"shared.weight [32128, 512]", "lm_head.weight [32128, 512]",
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight [32, 8]",
        "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight [32, 8]",
        "encoder.block.5.layer.1.DenseReluDense.wi_1.weight [2048, 512]",
        "decoder.block.5.layer.1.EncDecAttention.o.weight [512, 512]",
        "decoder.block.5.layer.2.DenseReluDense.wo.weight [512, 2048]",
        "decoder.block.0.layer.2.layer_norm.weight [512]",
        "decoder.final_layer_norm.weight [512]"}},
      {{{"model_type", "bart"}},
       {"model.shared.weight [50265, 1024]", "model.encoder.embed_positions.weight [1026, 1024]",
        "model.decoder.layernorm_embedding.weight [1024]",
        "model.decoder.layers.11.encoder_attn.k_proj.bias [1024]",
        "model.decoder.layers.0.encoder_attn_layer_norm.weight [1024]",
        "model.encoder.layers.0.fc1.weight [4096, 1024]", "final_logits_bias [1, 50265]"}},
      {{{"model_type", "whisper"}},
       {"model.encoder.conv1.weight [384, 80, 3]", "model.encoder.conv2.weight [384, 384, 3]",
        "model.encoder.embed_positions.weight [1500, 384]",
        "model.decoder.embed_positions.weight [448, 384]",
        "model.decoder.embed_tokens.weight [51865, 384]", "model.encoder.layer_norm.weight [384]",
        "model.decoder.layers.0.self_attn.q_proj.bias [384]"}},
      {{{"model_type", "clip"}},
       {"logit_scale []", "text_projection.weight [512, 512]",
        "visual_projection.weight [512, 768]",
        "text_model.embeddings.token_embedding.weight [49408, 512]",
        "text_model.encoder.layers.11.mlp.fc1.weight [2048, 512]",
        "vision_model.embeddings.class_embedding [768]",
        "vision_model.embeddings.patch_embedding.weight [768, 3, 32, 32]",
        "vision_model.embeddings.position_embedding.weight [50, 768]",
        "vision_model.pre_layrnorm.weight [768]", "vision_model.post_layernorm.bias [768]"}},
      {{{"model_type", "siglip"}},
       {"logit_scale [1]", "logit_bias [1]", "text_model.head.weight [768, 768]",
        "vision_model.embeddings.patch_embedding.bias [768]", "vision_model.head.probe [1, 1, 768]",
        "vision_model.head.attention.in_proj_weight [2304, 768]",
        "vision_model.head.attention.out_proj.bias [768]",
        "vision_model.head.mlp.fc2.weight [768, 3072]"}},
      {{{"model_type", "dinov2_with_registers"},
        {"architectures", {"Dinov2WithRegistersForImageClassification"}}},
       {"dinov2_with_registers.embeddings.register_tokens [1, 4, 768]",
        "dinov2_with_registers.embeddings.mask_token [1, 768]",
        "dinov2_with_registers.encoder.layer.0.layer_scale1.lambda1 [768]",
        "dinov2_with_registers.encoder.layer.0.attention.attention.value.bias [768]",
        "classifier.weight [2, 1536]"}},
      {{{"model_type", "vit_mae"}},
       {"vit.embeddings.position_embeddings [1, 197, 768]",
        "vit.encoder.layer.0.layernorm_before.weight [768]", "decoder.mask_token [1, 1, 512]",
        "decoder.decoder_pos_embed [1, 197, 512]",
        "decoder.decoder_layers.7.output.dense.weight [512, 2048]",
        "decoder.decoder_pred.bias [768]"}},
  };
  for (const auto& model : models) {
    const auto all = stored_names(model.config);
    for (const auto& name : model.names) {
      CAPTURE(name);
      CHECK(all.contains(name));
    }
  }
}

// A checkpoint as the library writes it, laid beside timm's module tree.
TEST_CASE("a ViT checkpoint with the library's names fits") {
  std::vector<test::NamedShape> stored = {
      {"vit.embeddings.cls_token", {1, 1, 8}},
      {"vit.embeddings.position_embeddings", {1, 5, 8}},
      {"vit.embeddings.patch_embeddings.projection.weight", {8, 3, 16, 16}},
      {"vit.embeddings.patch_embeddings.projection.bias", {8}},
      {"vit.layernorm.weight", {8}},
      {"vit.layernorm.bias", {8}},
      {"classifier.weight", {2, 8}},
      {"classifier.bias", {2}}};
  for (const std::string layer : {"0", "1"}) {
    const auto base = "vit.encoder.layer." + layer + ".";
    for (const char* part : {"query", "key", "value"}) {
      stored.push_back({fmt::format("{}attention.attention.{}.weight", base, part), {8, 8}});
      stored.push_back({fmt::format("{}attention.attention.{}.bias", base, part), {8}});
    }
    const std::pair<std::string, std::vector<std::uint64_t>> rest[] = {
        {"attention.output.dense", {8, 8}},
        {"intermediate.dense", {16, 8}},
        {"output.dense", {8, 16}},
        {"layernorm_before", {8}},
        {"layernorm_after", {8}}};
    for (const auto& [name, shape] : rest) {
      stored.push_back({base + name + ".weight", shape});
      stored.push_back({base + name + ".bias", {shape[0]}});
    }
  }
  const json config = {{"model_type", "vit"},     {"architectures", {"ViTForImageClassification"}},
                       {"image_size", 32},        {"hidden_size", 8},
                       {"num_hidden_layers", 2},  {"num_attention_heads", 2},
                       {"intermediate_size", 16}, {"patch_size", 16}};
  const test::TemporaryFolder folder;
  folder.write("config.json", test::dumped(config));
  const auto path = folder.write("model.safetensors", test::safetensors(stored));
  const auto result = test::run({"summary", path, "--format", "json"});
  CHECK(result.err == "");
  REQUIRE(result.exit_code == 0);
  const auto check = test::parsed(result.out)["check"];
  CHECK(check["fits"] == true);
  CHECK(check["matched"] == stored.size());

  // The query of one layer has another width, and the classifier is not there.
  std::erase_if(stored, [](const auto& t) { return t.name == "classifier.bias"; });
  for (auto& t : stored)
    if (t.name == "vit.encoder.layer.1.attention.attention.query.weight") t.shape = {4, 8};
  folder.write("model.safetensors", test::safetensors(stored));
  const auto misfit = test::run({"summary", path});
  CHECK(misfit.exit_code == 1);
  CHECK(misfit.err.find("missing (1):\n    classifier.bias [2]") != std::string::npos);
  CHECK(misfit.err.find(
            "vit.encoder.layer.1.attention.attention.query.weight is [4, 8], expected [8, 8]") !=
        std::string::npos);
}

TEST_CASE("checkpoints of other heads, without a head, or from TensorFlow fit") {
  const json config = {{"model_type", "bert"},     {"architectures", {"BertForMaskedLM"}},
                       {"hidden_size", 8},         {"num_hidden_layers", 1},
                       {"num_attention_heads", 2}, {"intermediate_size", 16},
                       {"vocab_size", 11},         {"max_position_embeddings", 4}};
  const auto model = test::model(config);
  const auto graph = model.build();
  std::vector<test::NamedShape> stored;
  for (auto t : test::tensors_of(graph)) {
    if (t.name.ends_with("_ids")) continue;  // newer versions do not store buffers
    if (t.name.ends_with("LayerNorm.weight"))
      t.name = t.name.substr(0, t.name.size() - 6) + "gamma";
    if (t.name.ends_with("LayerNorm.bias")) t.name = t.name.substr(0, t.name.size() - 4) + "beta";
    stored.push_back(t);
  }
  stored.push_back({"bert.pooler.dense.weight", {8, 8}});
  stored.push_back({"cls.seq_relationship.weight", {2, 8}});
  stored.push_back({"cls.predictions.decoder.weight", {11, 8}});
  const test::TemporaryFolder folder;
  const auto checkpoint =
      read_safetensors(folder.write("m.safetensors", test::safetensors(stored)));
  REQUIRE(model.checkpoint_keys != nullptr);
  const auto result = fit(graph, checkpoint, *model.checkpoint_keys);
  CHECK(result.fits());
  CHECK(result.left_out.size() == 2);

  // The base model reads the same file.
  auto base = config;
  base["architectures"] = {"BertModel"};
  const auto bare = test::model(base);
  CHECK(fit(bare.build(), checkpoint, *bare.checkpoint_keys).missing.size() == 1);  // pooler's bias
}
