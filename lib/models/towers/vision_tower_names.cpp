#include "models/towers/vision_tower_names.h"

#include "models/naming.h"
#include "models/towers/vision_tower.h"

namespace vitals {
namespace {

constexpr StackLayerNames kSiglipLayer = {
    .attn_norm = "layer_norm1", .mlp = "mlp", .mlp_norm = "layer_norm2"};

constexpr StackLayerNames kQwenLayer = {.attn = "attn",
                                        .qkv = "qkv",
                                        .out = "proj",
                                        .attn_norm = "norm1",
                                        .mlp = "mlp",
                                        .act = "act",
                                        .mlp_norm = "norm2"};

constexpr StackLayerNames gated(StackLayerNames names) {
  names.gate = "gate_proj";
  names.up = "up_proj";
  names.down = "down_proj";
  names.act = "act_fn";
  return names;
}

constexpr StackLayerNames qwen3(StackLayerNames names) {
  names.up = "linear_fc1";
  names.down = "linear_fc2";
  names.act = "act_fn";
  return names;
}

constexpr VisionTowerNames kVisionTowers[] = {
    {.naming = "clip", .base = "vision_model", .embeddings = "embeddings", .layer = kSiglipLayer},
    {.naming = "siglip", .embeddings = "embeddings", .layer = kSiglipLayer},
    {.naming = "qwen2_vl", .patch = "patch_embed.proj", .layers = "blocks", .layer = kQwenLayer},
    {.naming = "qwen2_5_vl",
     .patch = "patch_embed.proj",
     .layers = "blocks",
     .layer = gated(kQwenLayer)},
    {.naming = "qwen3_vl",
     .patch = "patch_embed.proj",
     .positions = "pos_embed",
     .layers = "blocks",
     .layer = qwen3(kQwenLayer)},
    {.naming = "pixtral",
     .patch = "patch_conv",
     .embedding_norm = "ln_pre",
     .layers = "transformer.layers",
     .layer = {.attn = "attention",
               .out = "o_proj",
               .attn_norm = "attention_norm",
               .mlp = "feed_forward",
               .gate = "gate_proj",
               .up = "up_proj",
               .down = "down_proj",
               .act = "act_fn",
               .mlp_norm = "ffn_norm"}},
    {.naming = "internvl",
     .embeddings = "embeddings",
     .patch = "patch_embeddings.projection",
     .class_token = "cls_token",
     .positions = "position_embeddings",
     .position_module = false,
     .layers = "encoder.layer",
     .final_norm = "layernorm",
     .layer = {.attn = "attention",
               .out = "projection_layer",
               .attn_norm = "layernorm_before",
               .attn_scale = "lambda_1",
               .mlp = "mlp",
               .mlp_norm = "layernorm_after",
               .mlp_scale = "lambda_2"}},
    {.naming = "moonvit",
     .patch = "patch_embed.proj",
     .positions = "patch_embed.pos_emb",
     .layers = "encoder.blocks",
     .final_norm = "encoder.final_layernorm",
     .layer = {.attn = "",
               .qkv = "wqkv",
               .out = "wo",
               .attn_norm = "norm0",
               .mlp = "mlp",
               .up = "fc0",
               .down = "fc1",
               .act = "activation",
               .mlp_norm = "norm1"}},
};

constexpr ProjectorNames kProjectors[] = {
    {.naming = "llava"},
    {.naming = "mistral3", .norm = "norm", .merging = "patch_merger.merging_layer"},
    {.naming = "paligemma", .first = "linear"},
    {.naming = "gemma3",
     .norm = "mm_soft_emb_norm",
     .first = "mm_input_projection_weight",
     .stored_transposed = true},
    {.naming = "idefics3", .first = "modality_projection.proj"},
    {.naming = "internvl", .norm = "layer_norm"},
    {.naming = "moonvit", .norm = "pre_norm"},
    {.naming = "git", .norm = "visual_projection.1", .first = "visual_projection.0"},
    {.naming = "qwen2_vl", .norm = "ln_q", .first = "mlp.0", .act = "mlp.1", .second = "mlp.2"},
    {.naming = "qwen3_vl",
     .norm = "norm",
     .first = "linear_fc1",
     .act = "act_fn",
     .second = "linear_fc2",
     .deepstack = "deepstack_merger_list"},
};

}  // namespace

const VisionTowerNames& vision_tower_names(std::string_view naming) {
  return *find_naming(kVisionTowers, naming);
}

const ProjectorNames& projector_names(std::string_view naming) {
  return *find_naming(kProjectors, naming);
}

const std::vector<std::string_view>& vision_tower_namings() {
  static const auto names = namings_of(kVisionTowers);
  return names;
}

const std::vector<std::string_view>& projector_namings() {
  static const auto names = namings_of(kProjectors);
  return names;
}

}  // namespace vitals
