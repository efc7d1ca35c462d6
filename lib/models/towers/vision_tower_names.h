// What the families of vision-language models call the modules of their image encoder and of the
// projector behind it. A row a family; the trace is the same.
#pragma once

#include "models/layers/stack_layer.h"

#include <string_view>
#include <vector>

namespace vitals {

struct VisionTowerNames {
  std::string_view naming;
  std::string_view base = {};        // a module around all of it
  std::string_view embeddings = {};  // the one that holds patches, class token and positions
  std::string_view patch = "patch_embedding";
  std::string_view class_token = "class_embedding";
  std::string_view positions = "position_embedding";
  bool position_module = true;  // an Embedding [n, h]; else a parameter [1, n, h]
  std::string_view embedding_norm = "pre_layrnorm";
  std::string_view layers = "encoder.layers";
  std::string_view final_norm = "post_layernorm";
  StackLayerNames layer = {};
};

// Relative to the projector's own path.
struct ProjectorNames {
  std::string_view naming;
  std::string_view norm = {};
  std::string_view merging = {};
  std::string_view first = "linear_1";
  std::string_view act = "act";
  std::string_view second = "linear_2";
  std::string_view deepstack = {};  // the list of further projectors
  bool stored_transposed = false;   // one weight [in, out] that is no Linear (Gemma 3)
};

[[nodiscard]] const VisionTowerNames& vision_tower_names(std::string_view naming);
[[nodiscard]] const ProjectorNames& projector_names(std::string_view naming);

}  // namespace vitals
