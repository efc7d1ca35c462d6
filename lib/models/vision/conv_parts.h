// What convolutional networks are made of, under timm's names: convolutions over [B, C, H, W] with
// batch norms and activations, squeeze and excitation, pools, and the head behind them. Knows no
// architecture.
#pragma once

#include "models/field.h"
#include "models/layers/layers.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// nn.Conv2d with equal sides and, unless told otherwise, no bias.
struct SquareConv {
  std::uint64_t kernel = 1;
  std::uint64_t stride = 1;
  std::uint64_t groups = 1;
  bool bias = false;
  bool same = false;  // TensorFlow's padding: what the image's size needs, more of it behind
  std::uint64_t dilation = 1;
  bool padded = true;  // by half the kernel; else not at all
};
Tensor square_conv(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                   const SquareConv& conv);

// nn.BatchNorm2d: two learned vectors, and two buffers that training moves.
Tensor batch_norm(Builder& b, std::string_view name, Tensor x, double eps = 1e-5);
// timm's BatchNormAct2d; an empty `act` is none.
Tensor batch_norm_act(Builder& b, std::string_view name, Tensor x, std::string_view act,
                      double eps = 1e-5);
// timm's ConvNormAct: `conv` and `bn` in a module.
Tensor conv_norm_act(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                     const SquareConv& conv, std::string_view act);

// An activation by timm's name, as a module of its own.
Tensor activation(Builder& b, std::string_view name, Tensor x, std::string_view act);
[[nodiscard]] const std::vector<std::string_view>& conv_activation_names();

// The mean over all positions, through two 1x1 convolutions, as a factor of every channel
// (Hu et al. 2018, arXiv:1709.01507).
struct SqueezeExcite {
  std::string_view reduce = "fc1";
  std::string_view expand = "fc2";
  std::uint64_t hidden = 0;
  std::string_view act = "relu";
  std::string_view gate = "sigmoid";
};
Tensor squeeze_excite(Builder& b, std::string_view name, Tensor x, const SqueezeExcite& options);
// One convolution over the channels' means (ECA-Net, arXiv:1910.03151).
Tensor channel_attention(Builder& b, std::string_view name, Tensor x);
// One 1x1 convolution of the means (VoVNetV2, arXiv:1911.06667).
Tensor effective_squeeze_excite(Builder& b, std::string_view name, Tensor x);

struct SquarePool {
  op::PoolKind kind = op::PoolKind::max;
  std::uint64_t kernel = 2;
  std::uint64_t stride = 2;
  std::uint64_t padding = 0;
  bool ceil = false;
};
Tensor square_pool(Builder& b, std::string_view name, Tensor x, const SquarePool& pool);
// A depthwise convolution with fixed weights before a stride (Zhang 2019, arXiv:1904.11486).
Tensor blur_pool(Builder& b, std::string_view name, Tensor x, std::uint64_t stride);

// timm's make_divisible: the nearest multiple of `divisor`, the next one where that would be less
// than `limit` of the value.
[[nodiscard]] std::uint64_t divisible(double value, std::uint64_t divisor, double limit = 0.9);

// [B, C, H, W] -> [B, C], or as it is where `global_pool` is ''.
Tensor pool_image(Builder& b, std::string_view name, Tensor x, std::string_view global_pool);
// The scores, or x where there are no classes.
Tensor pooled_classifier(Builder& b, std::string_view name, Tensor x, std::uint64_t classes,
                         double drop_rate);

// The fields that convolutional networks have in common; their configs take part with members of
// these names.
template <class C>
[[nodiscard]] std::vector<Field> conv_image_fields() {
  std::vector<Field> fields;
  fields.push_back(
      field<&C::img_size>("img_size", "Image height and width in pixels.").between(1, kMaxSide));
  fields.push_back(field<&C::in_chans>("in_chans", "Image channels.").between(1, kMaxWidth));
  fields.push_back(
      field<&C::num_classes>("num_classes", "Classes of the head; 0: no head.").at_most(1e9));
  fields.push_back(field<&C::global_pool>("global_pool", "How positions become one vector.")
                       .one_of({"avg", "max", "avgmax"}));
  fields.push_back(field<&C::drop_rate>("drop_rate", "Dropout before the head.").below(1));
  fields.push_back(
      field<&C::act_layer>("act_layer", "Activation.").one_of(conv_activation_names()));
  return fields;
}

[[nodiscard]] Tensor conv_image(Builder& b, const Size2& size, std::uint64_t channels);

}  // namespace vitals
