// What Hugging Face's families of image encoders call their modules. A row a family; the trace is
// the same.
#pragma once

#include "models/layers/stack_layer.h"

#include <string_view>
#include <vector>

namespace vitals {

struct ImageTowerNames {
  std::string_view naming;
  std::string_view base = "vision_model";
  bool base_without_head = true;  // the tower has that name even where it is the whole model
  std::string_view patch = "patch_embedding";
  std::string_view class_token = "class_embedding";
  bool position_module = true;  // an Embedding [n, h]; else a parameter [1, n, h]
  std::string_view positions = "position_embedding";
  std::string_view layers = "encoder.layers";
  std::string_view final_norm = "post_layernorm";
  StackLayerNames layer = {};
  std::string_view swiglu_up = {};  // instead of `up` and `down` where the MLP is gated
  std::string_view swiglu_down = {};
};

// Null when there is none of that name.
[[nodiscard]] const ImageTowerNames* find_image_tower_names(std::string_view naming);
[[nodiscard]] const std::vector<std::string_view>& image_tower_namings();

// A layer of CLIP's and SigLIP's towers, of either half.
inline constexpr StackLayerNames kClipLayer = {
    .attn_norm = "layer_norm1", .mlp = "mlp", .mlp_norm = "layer_norm2"};

}  // namespace vitals
