// What the UNets and autoencoders of diffusers are made of, over [B, C, H, W] and under its names.
#pragma once

#include "models/layers/layers.h"

#include <optional>
#include <string_view>

namespace vitals {

// A 3x3 or 1x1 nn.Conv2d with a bias; `stride` 2 halves the image.
Tensor latent_conv(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                   std::uint64_t kernel = 3, std::uint64_t stride = 1);
// nn.GroupNorm. Throws Error where the groups do not divide the channels.
Tensor latent_norm(Builder& b, std::string_view name, Tensor x, std::uint64_t groups,
                   double eps = 1e-6);
// ResnetBlock2D: two convolutions behind norms, the first one told the time step where there is
// one ([B, width]).
Tensor latent_resnet(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                     std::uint64_t groups, std::optional<Tensor> time);
Tensor halved(Builder& b, Tensor x);
Tensor doubled(Builder& b, Tensor x, std::uint64_t height, std::uint64_t width);
// [B, C, H, W] -> [B, H * W, C] and back.
[[nodiscard]] Tensor as_sequence(Builder& b, Tensor x);
[[nodiscard]] Tensor as_image(Builder& b, Tensor x, const Shape& shape);
// A norm, an activation and a convolution: the end of such a network.
Tensor latent_end(Builder& b, Tensor x, std::uint64_t out, std::uint64_t groups);

}  // namespace vitals
