#include "models/vision/repvgg.h"

#include "models/vision/conv_parts.h"
#include "models/vision/image.h"

#include <cmath>

namespace vitals {
namespace {

void validate(const RepVggConfig& c) {
  if (c.depths.size() != c.widths.size())
    fail("/depths: {} stages, but widths has {}", c.depths.size(), c.widths.size());
}

// 3x3, 1x1 and, where nothing changes, a norm alone, side by side; one convolution once trained.
Tensor rep_block(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
                 std::uint64_t stride, std::uint64_t groups, const RepVggConfig& c) {
  return b.call(name, "RepVggBlock", {x}, [&] {
    const SquareConv one{.stride = stride, .groups = groups};
    const SquareConv three{.kernel = 3, .stride = stride, .groups = groups};
    auto y = conv_norm_act(b, "conv_1x1", x, out, one, "");
    y = y + conv_norm_act(b, "conv_kxk", x, out, three, "");
    if (stride == 1 && x.dim(1) == out) y = y + batch_norm_act(b, "identity", x, "");
    if (c.se_ratio > 0) {
      const auto exact = static_cast<double>(out) * c.se_ratio;
      y = squeeze_excite(b, "attn", y, {.hidden = divisible(exact, 1, 0.0)});
    }
    return activation(b, "act", y, c.act_layer);
  });
}

Tensors forward(Builder& b, const RepVggConfig& c) {
  b.graph().modules[0].type = "ByobNet";
  auto x = rep_block(b, "stem", conv_image(b, c.img_size, c.in_chans), c.stem_width, 2, 1, c);
  x = b.call("stages", kSequential, {x}, [&] {
    auto y = x;
    for (std::size_t s = 0; s < c.depths.size(); ++s)
      y = b.call(std::to_string(s), kSequential, {y}, [&] {
        auto z = y;
        for (std::uint64_t i = 0; i < c.depths[s]; ++i)  // every second one in groups
          z = rep_block(b, std::to_string(i), z, c.widths[s], i == 0 ? 2 : 1,
                        i % 2 == 1 ? c.groups : 1, c);
        return z;
      });
    return y;
  });
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  return {b.call("head", "ClassifierHead", {x}, [&] {
    const auto pooled = pool_image(b, "global_pool", x, c.global_pool);
    return pooled_classifier(b, "fc", pooled, c.num_classes, c.drop_rate);
  })};
}

}  // namespace

Architecture repvgg_architecture() {
  using C = RepVggConfig;
  auto a = architecture<C, validate, forward>(
      "repvgg", "RepVGG as it is trained: timm's byobnet module (arXiv:2101.03697).");
  std::vector<Field> own = {
      field<&C::depths>("depths", "Blocks of each stage.").at_most(kMaxDepth),
      field<&C::widths>("widths", "Channels of each stage.").between(1, kMaxWidth),
      field<&C::stem_width>("stem_width", "Channels of the stem.").between(1, kMaxWidth),
      field<&C::groups>("groups", "Groups of every second block of a stage.").between(1, kMaxWidth),
      field<&C::se_ratio>("se_ratio", "Hidden share of squeeze and excitation; 0: none.")
          .at_most(1e4),
  };
  a.fields = all_fields(conv_image_fields<C>(), std::move(own));
  return a;
}

}  // namespace vitals
