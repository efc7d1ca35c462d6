// The list of architectures. A new one adds its line here.
#include "models/architecture.h"
#include "models/beit.h"
#include "models/convnext.h"
#include "models/decoder.h"
#include "models/dual_encoder.h"
#include "models/encoder.h"
#include "models/encoder_decoder.h"
#include "models/eva.h"
#include "models/image_tower.h"
#include "models/mlp_mixer.h"
#include "models/relpos.h"
#include "models/swin.h"
#include "models/text_tower.h"
#include "models/vit.h"

#include <algorithm>

namespace vitals {

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = {
      vit_architecture(),
      deit_architecture(),
      eva_architecture(),
      beit_architecture(),
      relpos_architecture(),
      mlp_mixer_architecture(),
      swin_architecture(),
      convnext_architecture(),
      decoder_architecture(),
      encoder_architecture(),
      encoder_decoder_architecture(),
      image_tower_architecture(),
      text_tower_architecture(),
      dual_encoder_architecture(),
  };
  return all;
}

const Architecture* find_architecture(std::string_view name) {
  for (const auto& a : architectures())
    if (a.name == name || std::find(a.aliases.begin(), a.aliases.end(), name) != a.aliases.end())
      return &a;
  return nullptr;
}

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const auto& a : architectures()) {
    names.emplace_back(a.name);
    for (auto alias : a.aliases) names.emplace_back(alias);
  }
  return names;
}

}  // namespace vitals
