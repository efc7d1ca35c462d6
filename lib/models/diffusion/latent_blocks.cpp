#include "models/diffusion/latent_blocks.h"

#include "core/error.h"

namespace vitals {

Tensor latent_conv(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                   std::uint64_t kernel, std::uint64_t stride) {
  return conv2d(b, name, x, out,
                {.kernel = {kernel, kernel},
                 .stride = {stride, stride},
                 .padding = {kernel / 2, kernel / 2}});
}

Tensor latent_norm(Builder& b, std::string_view name, Tensor x, std::uint64_t groups, double eps) {
  if (groups == 0 || x.dim(1) % groups != 0)
    fail("/norm_num_groups: {} groups do not divide {} channels", groups, x.dim(1));
  return group_norm(b, name, x, groups, eps);
}

Tensor latent_resnet(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                     std::uint64_t groups, std::optional<Tensor> time) {
  return b.call(name, "ResnetBlock2D", {x}, [&] {
    auto act = [&](Tensor y) { return b.activation(y, op::ActivationKind::silu); };
    auto y = latent_conv(b, "conv1", act(latent_norm(b, "norm1", x, groups)), out);
    if (time) {
      const auto told = linear(b, "time_emb_proj", act(*time), out, Role::projection);
      y = y + b.reshape(told, {told.dim(0), out, 1, 1});
    }
    y = latent_conv(b, "conv2", act(latent_norm(b, "norm2", y, groups)), out);
    return (x.dim(1) == out ? x : latent_conv(b, "conv_shortcut", x, out, 1)) + y;
  });
}

Tensor halved(Builder& b, Tensor x) {
  return b.call("downsamplers.0", "Downsample2D", {x},
                [&] { return latent_conv(b, "conv", x, x.dim(1), 3, 2); });
}

Tensor doubled(Builder& b, Tensor x, std::uint64_t height, std::uint64_t width) {
  return b.call("upsamplers.0", "Upsample2D", {x}, [&] {
    const auto y =
        b.add(op::Resize{op::ResizeKind::nearest, {x.dim(0), x.dim(1), height, width}}, {x});
    return latent_conv(b, "conv", y, x.dim(1));
  });
}

Tensor as_sequence(Builder& b, Tensor x) {
  return b.transpose(b.reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}), 1, 2);
}

Tensor as_image(Builder& b, Tensor x, const Shape& shape) {
  return b.reshape(b.transpose(x, 1, 2), {shape[0], x.dim(2), shape[2], shape[3]});
}

Tensor latent_end(Builder& b, Tensor x, std::uint64_t out, std::uint64_t groups) {
  const auto y = latent_norm(b, "conv_norm_out", x, groups);
  return latent_conv(b, "conv_out", b.activation(y, op::ActivationKind::silu), out);
}

}  // namespace vitals
