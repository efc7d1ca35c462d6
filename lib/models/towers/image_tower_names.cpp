#include "models/towers/image_tower_names.h"

#include "models/naming.h"

namespace vitals {
namespace {

constexpr ImageTowerNames dinov2(std::string_view naming) {
  return {.naming = naming,
          .base = naming,
          .base_without_head = false,
          .patch = "patch_embeddings.projection",
          .class_token = "cls_token",
          .position_module = false,
          .positions = "position_embeddings",
          .layers = "encoder.layer",
          .final_norm = "layernorm",
          .layer = {.attn = "attention",
                    .q = "attention.query",
                    .k = "attention.key",
                    .v = "attention.value",
                    .out = "output.dense",
                    .attn_norm = "norm1",
                    .attn_scale = "layer_scale1",
                    .mlp = "mlp",
                    .act = "activation",
                    .mlp_norm = "norm2",
                    .mlp_scale = "layer_scale2"},
          .swiglu_up = "weights_in",
          .swiglu_down = "weights_out"};
}

constexpr ImageTowerNames kImageTowers[] = {
    {.naming = "clip", .layer = kClipLayer},
    dinov2("dinov2"),
    dinov2("dinov2_with_registers"),
    {.naming = "dinov3_vit",
     .base = "dinov3_vit",
     .base_without_head = false,
     .patch = "patch_embeddings",
     .class_token = "cls_token",
     .position_module = false,
     .layers = "layer",
     .final_norm = "norm",
     .layer = {.attn = "attention",
               .out = "o_proj",
               .attn_norm = "norm1",
               .attn_scale = "layer_scale1",
               .mlp = "mlp",
               .gate = "gate_proj",
               .up = "up_proj",
               .down = "down_proj",
               .act = "act_fn",
               .mlp_norm = "norm2",
               .mlp_scale = "layer_scale2"}},
    {.naming = "vit_mae",
     .base = "vit",
     .base_without_head = false,
     .patch = "patch_embeddings.projection",
     .class_token = "cls_token",
     .position_module = false,
     .positions = "position_embeddings",
     .layers = "encoder.layer",
     .final_norm = "layernorm",
     .layer = {.attn = "attention",
               .q = "attention.query",
               .k = "attention.key",
               .v = "attention.value",
               .out = "output.dense",
               .attn_norm = "layernorm_before",
               .up = "intermediate.dense",
               .down = "output.dense",
               .act = "intermediate.intermediate_act_fn",
               .mlp_norm = "layernorm_after"}},
};

}  // namespace

const ImageTowerNames* find_image_tower_names(std::string_view naming) {
  return find_naming(kImageTowers, naming);
}

const std::vector<std::string_view>& image_tower_namings() {
  static const auto names = namings_of(kImageTowers);
  return names;
}

}  // namespace vitals
