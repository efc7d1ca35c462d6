// Mixers: MLP-Mixer (arXiv:2105.01601), ResMLP (arXiv:2105.03404) and gMLP (arXiv:2105.08050), as
// timm's mlp_mixer module builds them. Tokens meet in Linear layers over the patches, so a model is
// bound to its image size.
#pragma once

#include "models/architecture.h"

namespace vitals {

struct MlpMixerConfig {
  std::uint64_t num_classes = 1000;
  Size2 img_size{224, 224};
  std::uint64_t in_chans = 3;
  Size2 patch_size{16, 16};
  std::uint64_t num_blocks = 8;
  std::uint64_t embed_dim = 512;
  std::vector<double> mlp_ratio{0.5, 4.0};
  LayerSpec block_layer{"MixerBlock", {}, {}, {}, {}};
  std::string mlp_layer = "Mlp";
  LayerSpec norm_layer{"LayerNorm", 1e-6, {}, {}, {}};
  std::string act_layer = "gelu";
  double drop_rate = 0.0;
  double proj_drop_rate = 0.0;
  double drop_path_rate = 0.0;
  bool nlhb = false;
  bool stem_norm = false;
  std::string global_pool = "avg";
};

[[nodiscard]] Architecture mlp_mixer_architecture();

}  // namespace vitals
