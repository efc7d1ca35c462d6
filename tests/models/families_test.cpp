// What holds for the architectures of image encoders beyond their counts: the keys of checkpoints,
// what batch, training and fused attention may change, and the answers to wrong configurations.
#include "cost/rollup.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/refusal.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace vitals;
using nlohmann::json;

namespace {

std::set<std::string> keys_of(const Graph& graph) {
  std::set<std::string> keys;
  for (const auto& param : graph.params) keys.insert(path_of(graph, param));
  return keys;
}

std::string fault_of(const json& spec) {
  return test::refusal([&] { return model_from_spec(spec, "spec", "test").build(); });
}

}  // namespace

// Keys as they stand in timm's published checkpoints.
TEST_CASE("parameters have the names of timm's checkpoints") {
  const struct {
    const char* model;
    std::vector<std::string> keys;
  } models[] = {
      {"eva02_base_patch14_224",
       {"blocks.0.attn.q_proj.bias", "blocks.0.attn.k_proj.weight", "blocks.0.mlp.fc1_g.weight",
        "blocks.0.mlp.norm.weight", "fc_norm.weight", "cls_token", "pos_embed"}},
      {"eva02_large_patch14_clip_224", {"blocks.23.attn.norm.weight", "norm.weight"}},
      {"vit_base_patch16_dinov3_qkvb",
       {"reg_token", "blocks.0.attn.q_bias", "blocks.0.attn.v_bias", "blocks.0.attn.qkv.weight",
        "blocks.0.gamma_1", "blocks.0.gamma_2"}},
      {"vit_base_patch16_rope_mixed_224", {"rope.freqs", "blocks.0.attn.qkv.bias"}},
      {"vit_pe_core_base_patch16_224",
       {"attn_pool.latent", "norm_pre.weight", "attn_pool.kv.bias"}},
      {"beit_base_patch16_224",
       {"blocks.11.attn.relative_position_bias_table", "blocks.0.attn.q_bias",
        "blocks.0.attn.qkv.weight", "blocks.0.gamma_1", "fc_norm.weight"}},
      {"vit_relpos_base_patch16_224",
       {"blocks.0.attn.rel_pos.mlp.fc1.weight", "blocks.0.attn.rel_pos.mlp.fc2.bias",
        "blocks.0.ls1.gamma"}},
      {"vit_srelpos_small_patch16_224", {"shared_rel_pos.mlp.fc1.weight"}},
      {"mixer_b16_224",
       {"stem.proj.weight", "blocks.0.mlp_tokens.fc1.weight", "blocks.0.mlp_channels.fc2.bias"}},
      {"resmlp_12_224", {"blocks.0.norm1.alpha", "blocks.0.ls1", "blocks.0.linear_tokens.weight"}},
      {"gmlp_s16_224",
       {"blocks.0.norm.weight", "blocks.0.mlp_channels.gate.norm.weight",
        "blocks.0.mlp_channels.gate.proj.weight"}},
      {"swin_tiny_patch4_window7_224",
       {"patch_embed.norm.weight", "layers.1.downsample.norm.weight",
        "layers.1.downsample.reduction.weight", "head.fc.weight",
        "layers.0.blocks.0.attn.relative_position_bias_table", "layers.3.blocks.1.mlp.fc2.bias"}},
  };
  for (const auto& m : models) {
    CAPTURE(m.model);
    const auto keys = keys_of(builtin_model(m.model, "").build());
    for (const auto& key : m.keys) {
      CAPTURE(key);
      CHECK(keys.contains(key));
    }
  }
  CHECK_FALSE(keys_of(builtin_model("eva02_base_patch14_224", "").build())
                  .contains("blocks.0.attn.k_proj.bias"));
  CHECK_FALSE(keys_of(builtin_model("beit_base_patch16_224", "").build())
                  .contains("blocks.0.attn.qkv.bias"));
}

// Work per sample is the same in any batch but for what a model computes once, from its weights
// alone (RoPE's learned tables, relative position MLPs).
TEST_CASE("batch, training and fused attention change no parameter and no matrix product") {
  // Neighbours in the list are sisters: every third of them.
  for (std::size_t i = 0; i < builtin_names().size(); i += 3) {
    const auto& name = builtin_names()[i];
    CAPTURE(name);
    const auto model = builtin_model(name, "");
    const auto plain = model.build();
    const auto params = parameters(plain).sum();
    const auto macs = macs_by_module(plain).sum();
    // Fused, differential attention weighs the values with each of its two maps.
    const auto spec = spec_of(model);
    const bool differential = spec.value("attn_layer", "") == "diff" ||
                              spec.value("block_fn", "") == "DiffParallelScalingBlock";
    const auto training = model.build({.training = true});
    const auto fused = model.build({.attention = AttentionKernel::fused});
    CHECK(parameters(training).sum() == params);
    CHECK(parameters(fused).sum() == params);
    CHECK(macs_by_module(training).sum() == macs);
    CHECK((macs_by_module(fused).sum() == macs) == !differential);
    // Every text of a batch is compared with every image.
    if (spec.value("architecture", "") == "dual_encoder") continue;
    const auto two = model.build({.batch = 2});
    const auto three = model.build({.batch = 3});
    const auto per_sample = macs_by_module(three).sum() - macs_by_module(two).sum();
    CHECK(per_sample <= macs);
    CHECK(macs_by_module(two).sum() == macs + per_sample);
  }
}

// Dropout, stochastic depth and patch dropout leave their ops in training, and none otherwise.
TEST_CASE("every architecture trains with every rate") {
  const char* specs[] = {
      R"({"base": "vit_base_patch16_224", "pos_drop_rate": 0.1, "patch_drop_rate": 0.3})",
      R"({"base": "vit_pe_core_tiny_patch16_384", "pos_drop_rate": 0.1, "patch_drop_rate": 0.3})",
      R"({"base": "vit_small_patch16_rope_mixed_224", "patch_drop_rate": 0.3})",
      R"({"base": "beit_base_patch16_224", "use_shared_rel_pos_bias": true})",
      R"({"base": "vit_relpos_small_patch16_224", "rel_pos_type": "bias", "class_token": true})",
      R"({"base": "vit_srelpos_small_patch16_224", "rel_pos_type": "mlp-swin"})",
      R"({"base": "swin_tiny_patch4_window7_224"})",
  };
  for (const auto* text : specs) {
    CAPTURE(text);
    auto spec = test::parsed(text);
    for (const auto* rate : {"drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate"})
      spec[rate] = 0.1;
    const auto model = model_from_spec(spec, "spec", "test");
    for (const auto kernel : {AttentionKernel::eager, AttentionKernel::fused}) {
      const auto graph = model.build({.batch = 2, .training = true, .attention = kernel});
      const auto drops = std::count_if(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) {
        return std::holds_alternative<op::Dropout>(n.op) ||
               std::holds_alternative<op::DropPath>(n.op);
      });
      CHECK(drops > 0);
      CHECK(parameters(graph).sum() == parameters(model.build()).sum());
    }
    for (const auto& node : model.build().nodes)
      CHECK_FALSE((std::holds_alternative<op::Dropout>(node.op) ||
                   std::holds_alternative<op::DropPath>(node.op)));
  }
}

TEST_CASE("wrong configurations are answered with the field and the mend") {
  const struct {
    const char* spec;
    const char* message;
  } faults[] = {
      {R"({"architecture": "eva", "embed_dim": 770})",
       "/embed_dim: 770 is not divisible by num_heads 12"},
      {R"({"architecture": "eva", "img_size": 225})",
       "/img_size: height 225 is not divisible by the patch height 16"},
      {R"({"architecture": "eva", "class_token": false, "global_pool": "token"})",
       "/class_token: global_pool 'token' needs a class token"},
      {R"({"base": "vit_base_patch16_dinov3", "class_token": false, "global_pool": "token"})",
       "/class_token: global_pool 'token' needs a class token"},
      {R"({"architecture": "eva", "global_pool": "map", "attn_pool_num_heads": 7})",
       "/attn_pool_num_heads: embed_dim 768 is not divisible by 7"},
      {R"({"architecture": "eva", "embed_dim": 36, "num_heads": 6, "use_rot_pos_emb": true})",
       "/num_heads: rotary position embedding of an image needs a head dimension divisible by 4"},
      {R"({"architecture": "eva", "rope_type": "spiral"})", "/rope_type: unknown value 'spiral'"},
      {R"({"architecture": "eva", "reg_tokens": 4})",
       "/reg_tokens: unknown field of architecture 'eva'; did you mean 'num_reg_tokens'?"},
      {R"({"architecture": "beit", "img_size": 100, "patch_size": 16})",
       "/img_size: height 100 is not divisible by the patch height 16; the nearest sizes are 96"},
      {R"({"architecture": "beit", "global_pool": "map"})", "/global_pool: unknown value 'map'"},
      {R"({"architecture": "beit", "use_rope": true})", "/use_rope: unknown field"},
      {R"({"architecture": "relpos", "global_pool": "token"})",
       "/class_token: global_pool 'token' needs a class token"},
      {R"({"architecture": "relpos", "rel_pos_type": "rotary"})", "/rel_pos_type: unknown value"},
      {R"({"architecture": "mlp_mixer", "mlp_ratio": [1, 2, 3]})", "/mlp_ratio: 3 ratios"},
      {R"({"architecture": "mlp_mixer", "block_layer": "ResBlock"})",
       "/mlp_ratio: a ResBlock has one MLP and takes one ratio"},
      {R"({"architecture": "mlp_mixer", "block_layer": "SpatialGatingBlock", "mlp_ratio": 4})",
       "/mlp_layer: a GatedMlp stands in a SpatialGatingBlock and nowhere else"},
      {R"({"architecture": "mlp_mixer", "mlp_layer": "GluMlp", "embed_dim": 3, "mlp_ratio": 1})",
       "/mlp_ratio: a GluMlp splits its hidden features in two, and 3 is odd"},
      {R"({"architecture": "mlp_mixer", "depth": 12})", "/depth: unknown field"},
      {R"({"architecture": "swin", "num_heads": [3, 6]})", "/num_heads: 2 values for 4 stages"},
      {R"({"architecture": "swin", "window_size": [7, 7, 7]})",
       "/window_size: 3 values for 4 stages"},
      {R"({"architecture": "swin", "num_heads": 5})",
       "/num_heads: stage 0 has 96 features, which 5 heads do not divide"},
      {R"({"architecture": "swin", "img_size": 16})", "/img_size: 4x4 patches leave nothing"},
      {R"({"architecture": "swin", "img_size": 226})",
       "/img_size: height 226 is not divisible by the patch height 4"},
      {R"({"architecture": "swin", "img_size": 236})",
       "/img_size: a grid of 15x15 patches arrives where windows are laid for 14x14"},
      {R"({"architecture": "swin", "global_pool": ""})",
       "/global_pool: without pooling there can be no head"},
      {R"({"architecture": "vit", "global_pool": "map", "class_token": false, "num_heads": 5})",
       "/embed_dim: 768 is not divisible by num_heads 5"},
  };
  for (const auto& f : faults) {
    CAPTURE(f.spec);
    const auto message = fault_of(test::parsed(f.spec));
    CAPTURE(message);
    CHECK(message.find(f.message) != std::string::npos);
  }
}

TEST_CASE("a swin of any image size is cut and masked as it comes, when it is not strict") {
  const auto graph =
      model_from_spec(
          json{{"architecture", "swin"}, {"img_size", {236, 400}}, {"strict_img_size", false}},
          "spec", "test")
          .build();
  CHECK(graph.num_tokens == 59 * 100);
}

TEST_CASE("built-in models answer to the spellings that people bring") {
  const std::pair<const char*, const char*> names[] = {
      {"vit_base_patch32", "vit_base_patch32_224"},
      {"ViT-B/16", "vit_base_patch16_224"},
      {"vit_l_32", "vit_large_patch32_224"},
      {"DeiT-Ti/16", "deit_tiny_patch16_224"},
      {"google/vit-base-patch16-224", "vit_base_patch16_224"},
      {"facebook/deit-small-distilled-patch16-224", "deit_small_distilled_patch16_224"},
      {"microsoft/swin-tiny-patch4-window7-224", "swin_tiny_patch4_window7_224"},
      {"Mixer_B16", "mixer_b16_224"},
      {"vit-x/16", ""},
      {"vit_base", ""},
      {"", ""},
      {"/", ""},
      {"google/vit-base-patch16-224-in21k", ""},
  };
  for (const auto& spelling : names) {
    const auto& name = spelling.first;
    const auto& listed = spelling.second;
    CAPTURE(name);
    CHECK(builtin_canonical(name) == listed);
  }
  const auto tagged = builtin_model("timm/vit_base_patch16_224.augreg_in21k", "");
  CHECK(tagged.name == "vit_base_patch16_224");
  REQUIRE(tagged.notes.size() == 1);
  CHECK(tagged.notes[0].find("what follows the dot names weights") != std::string::npos);
  CHECK(builtin_canonical("meta-llama/Llama-3.1-8B-Instruct") == "llama-3.1-8b");
  CHECK(builtin_canonical("meta-llama/Meta-Llama-3-8B") == "llama-3-8b");
  CHECK(builtin_canonical("Qwen/Qwen2.5-7B-Instruct") == "qwen2.5-7b");
  CHECK(builtin_canonical("google/gemma-2-9b-it") == "gemma-2-9b");
  CHECK(builtin_canonical("gpt2.5").empty());
}
