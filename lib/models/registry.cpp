// The list of architectures. A new one adds its line here.
#include "models/architecture.h"
#include "models/audio/speech_encoder.h"
#include "models/diffusion/autoencoder.h"
#include "models/diffusion/hunyuan_dit.h"
#include "models/diffusion/joint_transformer.h"
#include "models/diffusion/unet.h"
#include "models/text/compressed_decoder.h"
#include "models/text/decoder.h"
#include "models/text/encoder.h"
#include "models/text/encoder_decoder.h"
#include "models/text/vision_language.h"
#include "models/towers/dual_encoder.h"
#include "models/towers/image_tower.h"
#include "models/towers/text_tower.h"
#include "models/vision/beit.h"
#include "models/vision/cait.h"
#include "models/vision/convnext.h"
#include "models/vision/densenet.h"
#include "models/vision/efficientnet.h"
#include "models/vision/eva.h"
#include "models/vision/metaformer.h"
#include "models/vision/mlp_mixer.h"
#include "models/vision/pit.h"
#include "models/vision/pvt_v2.h"
#include "models/vision/regnet.h"
#include "models/vision/relpos.h"
#include "models/vision/repvgg.h"
#include "models/vision/resnet.h"
#include "models/vision/swin.h"
#include "models/vision/twins.h"
#include "models/vision/vgg.h"
#include "models/vision/vit.h"
#include "models/vision/xcit.h"

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
      cait_architecture(),
      xcit_architecture(),
      convnext_architecture(),
      resnet_architecture(),
      regnet_architecture(),
      pvt_v2_architecture(),
      pit_architecture(),
      twins_architecture(),
      efficientnet_architecture(),
      densenet_architecture(),
      vgg_architecture(),
      decoder_architecture(),
      vision_language_architecture(),
      compressed_decoder_architecture(),
      encoder_architecture(),
      encoder_decoder_architecture(),
      image_tower_architecture(),
      text_tower_architecture(),
      dual_encoder_architecture(),
      metaformer_architecture(),
      repvgg_architecture(),
      speech_encoder_architecture(),
      joint_transformer_architecture(),
      unet_architecture(),
      autoencoder_architecture(),
      hunyuan_dit_architecture(),
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
