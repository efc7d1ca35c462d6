#include "models/vision/conv_parts.h"

#include "core/error.h"
#include "core/text.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace vitals {
namespace {

using Extent = op::Conv::Extent;

Extent square(std::uint64_t side) {
  const auto s = static_cast<std::uint32_t>(side);
  return {s, s, 1};
}

// Zeros that TensorFlow's "same" puts around `in` positions, before and behind together.
std::uint64_t same_padding(std::uint64_t in, const SquareConv& c) {
  const auto out = (in + c.stride - 1) / c.stride;
  const auto needed = (out - 1) * c.stride + (c.kernel - 1) * c.dilation + 1;
  return needed > in ? needed - in : 0;
}

void pad(op::Conv& conv, const SquareConv& c, std::size_t axis, std::uint64_t in) {
  if (!c.padded) return;
  const auto all = c.same ? same_padding(in, c) : 0;
  const auto before = c.same ? all / 2 : ((c.stride - 1) + c.dilation * (c.kernel - 1)) / 2;
  conv.padding[axis] = static_cast<std::uint32_t>(before);
  if (c.same) conv.more_padding[axis] = static_cast<std::int32_t>(all - 2 * before);
}

// timm's names, with the numbers that the op takes.
const std::pair<std::string_view, op::Unary> kConvActivations[] = {
    {"relu", {op::UnaryKind::relu}},
    {"relu6", {op::UnaryKind::clip, 0, 6}},
    {"silu", {op::UnaryKind::silu}},
    {"swish", {op::UnaryKind::silu}},
    {"gelu", {op::UnaryKind::gelu}},
    {"gelu_tanh", {op::UnaryKind::gelu_tanh}},
    {"tanh", {op::UnaryKind::tanh}},
    {"sigmoid", {op::UnaryKind::sigmoid}},
    {"hard_sigmoid", {op::UnaryKind::hard_sigmoid, 1.0 / 6, 0.5}},
    {"hard_swish", {op::UnaryKind::hard_swish}},
    {"leaky_relu", {op::UnaryKind::leaky_relu, 0.01}},
    {"mish", {op::UnaryKind::mish}},
};

Tensor acted(Builder& b, Tensor x, std::string_view act) {
  for (const auto& [name, op] : kConvActivations)
    if (same_name(name, act)) return b.add(op, {x});
  fail("/act_layer: unknown activation '{}'", act);
}

Tensor normed_by_batch(Builder& b, Tensor x, double eps) {
  const Shape channels{x.dim(1)};
  const auto weight = b.param("weight", channels);
  const auto bias = b.param("bias", channels);
  const auto mean = b.param("running_mean", channels, true);
  const auto variance = b.param("running_var", channels, true);
  Tensors inputs{x};
  if (!b.options().training) {
    inputs.push_back(b.add(op::Parameter{channels}, {}, mean));
    inputs.push_back(b.add(op::Parameter{channels}, {}, variance));
  }
  return b.add(op::BatchNorm{eps, b.options().training, true}, inputs, weight, bias);
}

// [B, C, 1, 1]
Tensor mean_of_positions(Builder& b, Tensor x) {
  const auto rows = b.reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)});
  return b.reshape(b.mean(rows, -1), {x.dim(0), x.dim(1), 1, 1});
}

}  // namespace

Tensor square_conv(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                   const SquareConv& c) {
  return b.call(name, {"Conv2d", Role::convolution, TorchClass::conv2d}, {x}, [&] {
    const auto in = x.dim(1);
    if (out == 0)
      fail("{}: no channels are left; widths are too small for what divides them", name);
    if (c.groups == 0 || in % c.groups != 0 || out % c.groups != 0)
      fail("{}: {} groups divide {} channels in or {} out into no whole number", name, c.groups, in,
           out);
    op::Conv conv{in,     out, square(c.kernel),  square(c.stride), {0, 0, 0}, c.groups,
                  c.bias, 2,   square(c.dilation)};
    pad(conv, c, 0, x.dim(2));
    pad(conv, c, 1, x.dim(3));
    const auto weight = b.param("weight", {out, in / c.groups, c.kernel, c.kernel});
    return b.add(conv, {x}, weight, c.bias ? b.param("bias", {out}) : kNone);
  });
}

Tensor batch_norm(Builder& b, std::string_view name, Tensor x, double eps) {
  return b.call(name, {"BatchNorm2d", Role::norm, TorchClass::batch_norm}, {x},
                [&] { return normed_by_batch(b, x, eps); });
}

Tensor batch_norm_act(Builder& b, std::string_view name, Tensor x, std::string_view act,
                      double eps) {
  return b.call(name, {"BatchNormAct2d", Role::norm, TorchClass::batch_norm}, {x}, [&] {
    const auto y = normed_by_batch(b, x, eps);
    return act.empty() ? y : acted(b, y, act);
  });
}

Tensor conv_norm_act(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                     const SquareConv& conv, std::string_view act) {
  return b.call(name, "ConvNormAct", {x},
                [&] { return batch_norm_act(b, "bn", square_conv(b, "conv", x, out, conv), act); });
}

Tensor activation(Builder& b, std::string_view name, Tensor x, std::string_view act) {
  return b.call(name, {"Activation", Role::none, TorchClass::activation}, {x},
                [&] { return acted(b, x, act); });
}

const std::vector<std::string_view>& conv_activation_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const auto& act : kConvActivations) all.push_back(act.first);
    return all;
  }();
  return names;
}

Tensor squeeze_excite(Builder& b, std::string_view name, Tensor x, const SqueezeExcite& o) {
  return b.call(name, "SqueezeExcite", {x}, [&] {
    const auto hidden = square_conv(b, o.reduce, mean_of_positions(b, x), o.hidden, {.bias = true});
    const auto scores = square_conv(b, o.expand, acted(b, hidden, o.act), x.dim(1), {.bias = true});
    return x * acted(b, scores, o.gate);
  });
}

Tensor channel_attention(Builder& b, std::string_view name, Tensor x) {
  return b.call(name, "EcaModule", {x}, [&] {
    const auto channels = x.dim(1);
    const auto wanted =
        static_cast<std::uint64_t>(std::abs(std::log2(static_cast<double>(channels)) + 1) / 2);
    const auto kernel = std::max<std::uint64_t>(wanted % 2 == 1 ? wanted : wanted + 1, 3);
    const auto row = b.reshape(mean_of_positions(b, x), {x.dim(0), 1, channels});
    const auto scores =
        b.call("conv", {"Conv1d", Role::convolution, TorchClass::conv1d}, {row}, [&] {
          const auto k = static_cast<std::uint32_t>(kernel);
          const op::Conv conv{1, 1, {k, 1, 1}, {1, 1, 1}, {(k - 1) / 2, 0, 0}, 1, false, 1};
          return b.add(conv, {row}, b.param("weight", {1, 1, kernel}));
        });
    return x * b.reshape(acted(b, scores, "sigmoid"), {x.dim(0), channels, 1, 1});
  });
}

Tensor effective_squeeze_excite(Builder& b, std::string_view name, Tensor x) {
  return b.call(name, "EffectiveSEModule", {x}, [&] {
    const auto scores = square_conv(b, "fc", mean_of_positions(b, x), x.dim(1), {.bias = true});
    return x * acted(b, scores, "hard_sigmoid");
  });
}

Tensor square_pool(Builder& b, std::string_view name, Tensor x, const SquarePool& p) {
  const bool max = p.kind == op::PoolKind::max;
  const ModuleType type = max ? ModuleType{"MaxPool2d", Role::none, TorchClass::max_pool}
                              : ModuleType{"AvgPool2d", Role::none, TorchClass::avg_pool};
  return b.call(name, type, {x}, [&] {
    op::Pool pool;
    pool.kind = p.kind;
    pool.kernel = square(p.kernel);
    pool.stride = square(p.stride);
    pool.padding = {static_cast<std::uint32_t>(p.padding), static_cast<std::uint32_t>(p.padding),
                    0};
    pool.ceil_mode = p.ceil;
    pool.count_padding = false;
    return b.add(pool, {x});
  });
}

Tensor blur_pool(Builder& b, std::string_view name, Tensor x, std::uint64_t stride) {
  return b.call(name, "BlurPool2d", {x}, [&] {
    const auto channels = x.dim(1);
    constexpr std::uint64_t kSide = 3;  // of the binomial filter
    const auto filter = b.param("filt", {channels, 1, kSide, kSide}, true);
    const op::Conv conv{channels,  channels, square(kSide), square(stride),
                        {1, 1, 0}, channels, false,         2};
    return b.add(conv, {x}, filter);
  });
}

std::uint64_t divisible(double value, std::uint64_t divisor, double limit) {
  const auto d = static_cast<double>(divisor);
  auto near = std::max(d, std::floor((value + d / 2) / d) * d);
  if (near < limit * value) near += d;
  return static_cast<std::uint64_t>(near);
}

Tensor pool_image(Builder& b, std::string_view name, Tensor x, std::string_view global_pool) {
  return b.call(name, "SelectAdaptivePool2d", {x}, [&] {
    auto pooled = [&](op::PoolKind kind) {
      const bool avg = kind == op::PoolKind::avg;
      const ModuleType type =
          avg ? ModuleType{"AdaptiveAvgPool2d", Role::none, TorchClass::adaptive_avg_pool2d}
              : ModuleType{"AdaptiveMaxPool2d"};
      return b.call("pool", type, {x}, [&] {
        op::AdaptivePool pool;
        pool.kind = kind;
        return b.reshape(b.add(pool, {x}), {x.dim(0), x.dim(1)});
      });
    };
    if (global_pool == "max") return pooled(op::PoolKind::max);
    const auto mean = pooled(op::PoolKind::avg);
    return global_pool == "avgmax" ? (mean + pooled(op::PoolKind::max)) * 0.5 : mean;
  });
}

Tensor pooled_classifier(Builder& b, std::string_view name, Tensor x, std::uint64_t classes,
                         double drop_rate) {
  if (drop_rate > 0) x = b.dropout(x, drop_rate);
  return classes > 0 ? linear(b, name, x, classes, Role::classifier) : identity(b, name, x);
}

Tensor conv_image(Builder& b, const Size2& size, std::uint64_t channels) {
  return b.input({b.options().batch, channels, size.height, size.width});
}

}  // namespace vitals
