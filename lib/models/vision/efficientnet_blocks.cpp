#include "models/vision/efficientnet_blocks.h"

#include "core/error.h"
#include "core/number.h"

#include <cmath>
#include <utility>

namespace vitals {
namespace {

std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

double number_in(std::string_view word, std::string_view digits) {
  const auto value = parse_number(digits);
  if (!value || *value < 0 || *value > 1e6)
    fail("/blocks: '{}' is no word of a block; expected like 'k3' or 'se0.25'", word);
  return *value;
}

std::uint64_t count_in(std::string_view word, std::string_view digits) {
  const auto value = number_in(word, digits);
  if (value != std::floor(value)) fail("/blocks: '{}' is no whole number", word);
  return static_cast<std::uint64_t>(value);
}

Kernels kernels_in(std::string_view word, std::string_view digits) {
  Kernels kernels;
  for (const auto part : parts_of(digits, '.')) kernels.push_back(count_in(word, part));
  return kernels;
}

MobileBlockKind kind_in(std::string_view word) {
  constexpr std::pair<std::string_view, MobileBlockKind> kKinds[] = {
      {"ds", MobileBlockKind::separable}, {"dsa", MobileBlockKind::separable},
      {"ir", MobileBlockKind::inverted},  {"er", MobileBlockKind::edge},
      {"cn", MobileBlockKind::plain},     {"uir", MobileBlockKind::universal}};
  for (const auto& [name, kind] : kKinds)
    if (name == word) return kind;
  fail("/blocks: unknown block '{}'; known are ds, dsa, ir, er, cn, uir", word);
}

std::string activation_in(std::string_view word) {
  constexpr std::pair<std::string_view, std::string_view> kShortNames[] = {
      {"nre", "relu"}, {"nr6", "relu6"}, {"nhs", "hard_swish"}, {"nsw", "silu"}, {"nmi", "mish"}};
  for (const auto& [name, act] : kShortNames)
    if (name == word) return std::string(act);
  fail("/blocks: unknown activation '{}'; known are nre, nr6, nhs, nsw, nmi", word);
}

void take_word(MobileBlock& block, std::string_view word) {
  const auto at = word.find_first_of("0123456789.");
  const auto key = word.substr(0, at);
  const auto digits = at == std::string_view::npos ? std::string_view() : word.substr(at);
  if (word == "noskip")
    block.skip = false;
  else if (word == "skip")
    block.skip = true;
  else if (word.starts_with('n'))
    block.act = activation_in(word);
  else if (key == "r")
    block.repeats = count_in(word, digits);
  else if (key == "k")
    block.kernel = kernels_in(word, digits);
  else if (key == "a")
    block.start = kernels_in(word, digits);
  else if (key == "p")
    block.end = kernels_in(word, digits);
  else if (key == "s")
    block.stride = count_in(word, digits);
  else if (key == "e")
    block.expand = number_in(word, digits);
  else if (key == "c")
    block.out = count_in(word, digits);
  else if (key == "se")
    block.se = number_in(word, digits);
  else if (key == "gs")
    block.group = count_in(word, digits);
  else if (key == "fc")
    block.in_of_expand = count_in(word, digits);
  else
    fail("/blocks: unknown word '{}'", word);
}

MobileBlock parse_block(std::string_view text) {
  const auto words = parts_of(text, '_');
  MobileBlock block;
  block.kind = kind_in(words.front());
  block.last_act = words.front() == "dsa";
  if (block.last_act || block.kind == MobileBlockKind::plain) block.skip = false;
  // Convolutions that are not depthwise have one group unless the text says otherwise.
  if (block.kind == MobileBlockKind::edge || block.kind == MobileBlockKind::plain) block.group = 0;
  for (std::size_t i = 1; i < words.size(); ++i) take_word(block, words[i]);
  if (block.out == 0 || block.stride == 0 || block.stride > 2)
    fail("/blocks: '{}' needs channels, like 'c24', and a stride of 1 or 2", text);
  return block;
}

std::uint64_t groups_of(std::uint64_t group, std::uint64_t channels) {
  if (group == 0) return 1;
  if (channels % group != 0)
    fail("/blocks: groups of {} channels do not divide {}", group, channels);
  return channels / group;
}

// As even shares as whole numbers allow; the first takes what is left over.
std::vector<std::uint64_t> shares_of(std::uint64_t channels, std::size_t count) {
  std::vector<std::uint64_t> shares(count, channels / count);
  shares.front() += channels - channels / count * count;
  return shares;
}

// One convolution, or several over shares of the channels. `grouped`: the channels that groups of
// `group` are made of; 0: those of x.
Tensor mixed_conv(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                  const Kernels& kernels, SquareConv conv, std::uint64_t group,
                  std::uint64_t grouped = 0) {
  auto as = [&](std::uint64_t kernel, std::uint64_t channels) {
    conv.kernel = kernel;
    conv.groups = groups_of(group, channels);
    return conv;
  };
  if (kernels.size() == 1)
    return square_conv(b, name, x, out, as(kernels[0], grouped > 0 ? grouped : x.dim(1)));
  return b.call(name, "MixedConv2d", {x}, [&] {
    const auto inputs = b.split(x, 1, shares_of(x.dim(1), kernels.size()));
    const auto outputs = shares_of(out, kernels.size());
    Tensors parts;
    for (std::size_t i = 0; i < kernels.size(); ++i)
      parts.push_back(
          square_conv(b, std::to_string(i), inputs[i], outputs[i], as(kernels[i], outputs[i])));
    return b.concat(parts, 1);
  });
}

Kernels or_one(const Kernels& kernels) { return kernels == Kernels{0} ? Kernels{1} : kernels; }

class Mobile {
 public:
  Mobile(Builder& b, const MobileBlock& block, const MobileStyle& style)
      : b_(b), o_(block), style_(style), act_(block.act.empty() ? style.act : block.act) {}

  Tensor run(Tensor x, double drop_path_rate) {
    auto y = body(x);
    if (style_.layer_scale && o_.kind == MobileBlockKind::universal)
      y = b_.call("layer_scale", {"LayerScale2d", Role::scale}, {y}, [&] {
        return y * b_.reshape(b_.parameter("gamma", {y.dim(1)}), {1, y.dim(1), 1, 1});
      });
    const bool skips = o_.skip && o_.stride == 1 && x.dim(1) == o_.out;
    if (!skips) return y;
    if (drop_path_rate > 0) y = drop_path(b_, "drop_path", y, drop_path_rate);
    return y + x;
  }

 private:
  Tensor body(Tensor x) {
    switch (o_.kind) {
      case MobileBlockKind::separable:
        return separable(x);
      case MobileBlockKind::inverted:
        return inverted(x);
      case MobileBlockKind::edge:
        return edge(x);
      case MobileBlockKind::plain:
        return plain(x);
      case MobileBlockKind::universal:
        break;
    }
    return universal(x);
  }

  bool smooths() const { return !style_.aa_layer.empty() && o_.stride > 1; }

  SquareConv strided() const { return {.stride = smooths() ? 1 : o_.stride, .same = style_.same}; }
  SquareConv unit() const { return {.same = style_.same}; }

  Tensor normed(std::string_view name, Tensor x, bool act) {
    return batch_norm_act(b_, name, x, act ? std::string_view(act_) : "", style_.norm_eps);
  }

  Tensor smoothed(Tensor x) {
    if (!smooths()) return x;
    return style_.aa_layer == "avg"
               ? square_pool(b_, "aa", x,
                             {.kind = op::PoolKind::avg, .kernel = o_.stride, .stride = o_.stride})
               : blur_pool(b_, "aa", x, o_.stride);
  }

  Tensor excited(Tensor x) {
    if (o_.se == 0) return x;
    if (style_.se_layer == "ese") return effective_squeeze_excite(b_, "se", x);
    const auto ratio = style_.se_from_expanded ? o_.se : o_.se / o_.expand;
    const auto exact = static_cast<double>(x.dim(1)) * ratio;
    const auto hidden = style_.se_divisor > 1 ? divisible(exact, style_.se_divisor)
                                              : static_cast<std::uint64_t>(std::nearbyint(exact));
    SqueezeExcite se{
        .reduce = "conv_reduce", .expand = "conv_expand", .hidden = hidden, .act = act_};
    if (style_.se_divisor > 1) {  // MobileNetV3's
      se.act = "relu";
      se.gate = "hard_sigmoid";
    }
    return squeeze_excite(b_, "se", x, se);
  }

  Tensor separable(Tensor x) {
    auto y = mixed_conv(b_, "conv_dw", x, x.dim(1), o_.kernel, strided(), o_.group);
    y = excited(smoothed(normed("bn1", y, true)));
    y = mixed_conv(b_, "conv_pw", y, o_.out, or_one(o_.end), unit(), 0);
    return normed("bn2", y, o_.last_act);
  }

  std::uint64_t middle(Tensor x) const {
    const auto in = o_.in_of_expand > 0 ? o_.in_of_expand : x.dim(1);
    return divisible(static_cast<double>(in) * o_.expand, 8);
  }

  Tensor inverted(Tensor x) {
    const auto mid = middle(x);
    auto y = normed("bn1", mixed_conv(b_, "conv_pw", x, mid, or_one(o_.start), unit(), 0), true);
    y = mixed_conv(b_, "conv_dw", y, mid, o_.kernel, strided(), o_.group);
    y = excited(smoothed(normed("bn2", y, true)));
    return normed("bn3", mixed_conv(b_, "conv_pwl", y, o_.out, or_one(o_.end), unit(), 0), false);
  }

  Tensor edge(Tensor x) {
    const auto mid = middle(x);
    auto y = mixed_conv(b_, "conv_exp", x, mid, o_.kernel, strided(), o_.group, mid);
    y = excited(smoothed(normed("bn1", y, true)));
    return normed("bn2", mixed_conv(b_, "conv_pwl", y, o_.out, or_one(o_.end), unit(), 0), false);
  }

  Tensor plain(Tensor x) {
    const auto y = mixed_conv(b_, "conv", x, o_.out, o_.kernel, strided(), o_.group);
    return smoothed(normed("bn1", y, true));
  }

  Tensor unit_of(std::string_view name, Tensor x, std::uint64_t out, std::uint64_t kernel,
                 std::uint64_t stride, bool depthwise, bool act) {
    const bool smooth = !style_.aa_layer.empty() && stride > 1;
    return b_.call(name, "ConvNormAct", {x}, [&] {
      const SquareConv conv{.kernel = kernel,
                            .stride = smooth ? 1 : stride,
                            .groups = depthwise ? groups_of(o_.group, out) : 1,
                            .same = style_.same};
      const auto y = normed("bn", square_conv(b_, "conv", x, out, conv), act);
      return smooth ? smoothed(y) : y;
    });
  }

  Tensor universal(Tensor x) {
    const auto mid = middle(x);
    const auto start = o_.start.front();
    const auto main = o_.kernel.front();
    const auto last = o_.end.front();
    auto y = x;
    if (start > 0)
      y = unit_of("dw_start", y, y.dim(1), start, main > 0 ? 1 : o_.stride, true, false);
    y = unit_of("pw_exp", y, mid, 1, 1, false, true);
    if (main > 0) y = unit_of("dw_mid", y, mid, main, o_.stride, true, true);
    y = unit_of("pw_proj", excited(y), o_.out, 1, 1, false, false);
    const auto last_stride = start == 0 && main == 0 ? o_.stride : 1;
    return last > 0 ? unit_of("dw_end", y, o_.out, last, last_stride, true, false) : y;
  }

  Builder& b_;
  const MobileBlock& o_;
  const MobileStyle& style_;
  std::string act_;
};

}  // namespace

std::vector<MobileBlock> parse_mobile_stage(std::string_view text) {
  std::vector<MobileBlock> blocks;
  for (const auto part : parts_of(text, '+')) blocks.push_back(parse_block(part));
  return blocks;
}

Tensor mobile_block(Builder& b, Tensor x, const MobileBlock& block, const MobileStyle& style,
                    double drop_path_rate) {
  return Mobile(b, block, style).run(x, drop_path_rate);
}

std::string_view mobile_block_type(MobileBlockKind kind) {
  switch (kind) {
    case MobileBlockKind::separable:
      return "DepthwiseSeparableConv";
    case MobileBlockKind::inverted:
      return "InvertedResidual";
    case MobileBlockKind::edge:
      return "EdgeResidual";
    case MobileBlockKind::plain:
      return "ConvBnAct";
    case MobileBlockKind::universal:
      break;
  }
  return "UniversalInvertedResidual";
}

}  // namespace vitals
