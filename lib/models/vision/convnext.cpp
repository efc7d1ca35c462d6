#include "models/vision/convnext.h"

#include "models/layers/activation_names.h"
#include "models/vision/image.h"
#include "models/vision/image_fields.h"

#include <numeric>

namespace vitals {
namespace {

constexpr std::size_t kConvNeXtStages = 4;

std::uint64_t kernel_at(const ConvNeXtConfig& c, std::size_t stage) {
  return c.kernel_sizes.size() == 1 ? c.kernel_sizes[0] : c.kernel_sizes[stage];
}

bool has_patch_stem(const ConvNeXtConfig& c) { return c.stem_type == "patch"; }

// A stem that has halved the image once leaves the second time to the first stage, which else does
// not shrink it.
std::uint64_t stride_of(const ConvNeXtConfig& c, std::size_t stage) {
  return stage > 0 || (has_patch_stem(c) && c.patch_size == 2) ? 2 : 1;
}

// Positions along one side, behind the stem and behind the downsampling of each stage.
std::uint64_t last_side(const ConvNeXtConfig& c, std::uint64_t side) {
  side = has_patch_stem(c) ? side / c.patch_size : (side + 3) / 4;
  for (std::size_t i = 0; i < kConvNeXtStages; ++i) side /= stride_of(c, i);
  return side;
}

// timm dilates the last stages where the stem alone leaves too few halvings to reach output_stride.
void check_stride(const ConvNeXtConfig& c) {
  if (!has_patch_stem(c)) return;
  constexpr std::uint64_t kLargestPatch = 7;
  if (c.patch_size > kLargestPatch)
    fail(
        "/patch_size: behind patches of {} timm dilates the last stage to keep output_stride {}, "
        "which is not known here; patches up to {} need none",
        c.patch_size, c.output_stride, kLargestPatch);
}

void validate(const ConvNeXtConfig& c) {
  if (c.depths.size() != kConvNeXtStages)
    fail("/depths: {} values for {} stages", c.depths.size(), kConvNeXtStages);
  if (c.dims.size() != kConvNeXtStages)
    fail("/dims: {} values for {} stages", c.dims.size(), kConvNeXtStages);
  if (c.kernel_sizes.size() != 1 && c.kernel_sizes.size() != kConvNeXtStages)
    fail("/kernel_sizes: {} values for {} stages; state one, or one a stage", c.kernel_sizes.size(),
         kConvNeXtStages);
  for (const auto kernel : c.kernel_sizes)
    if (kernel % 2 == 0)
      fail("/kernel_sizes: {} is even: its output is smaller than the shortcut beside it", kernel);
  check_stride(c);
  if (last_side(c, c.img_size.height) == 0 || last_side(c, c.img_size.width) == 0)
    fail("/img_size: {}x{} pixels leave nothing for the last stage", c.img_size.height,
         c.img_size.width);
  if (c.head_norm_first && c.head_hidden_size)
    fail("/head_hidden_size: a head whose norm comes first has no hidden layer");
  if (c.head_norm_first && c.global_pool.empty() && c.num_classes > 0)
    fail("/global_pool: without pooling there can be no such head; set num_classes to 0");
  (void)activation_kind(c.act_layer);
}

NormOptions norm_of(const ConvNeXtConfig& c) { return {.eps = c.norm_eps.value_or(1e-6)}; }

// timm's make_divisible(v, 8)
std::uint64_t divisible_by_8(std::uint64_t v) {
  const auto near = std::max<std::uint64_t>(8, (v + 4) / 8 * 8);
  return 10 * near < 9 * v ? near + 8 : near;
}

// [B, in_chans, H, W] -> [B, dims[0], H / 4, W / 4]
Tensor stem(Builder& b, Tensor image, const ConvNeXtConfig& c) {
  return b.call("stem", kSequential, {image}, [&] {
    if (has_patch_stem(c)) {
      const Size2 patch{c.patch_size, c.patch_size};
      const auto x = conv2d(
          b, "0", image, c.dims[0],
          {.kernel = patch, .stride = patch, .bias = c.conv_bias, .role = Role::patch_embedding});
      return norm2d(b, "1", x, norm_of(c));
    }
    const Conv2dOptions half{
        .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .bias = c.conv_bias};
    const auto between =
        c.stem_type == "overlap_tiered" ? divisible_by_8(c.dims[0] / 2) : c.dims[0];
    const auto x = conv2d(b, "1", conv2d(b, "0", image, between, half), c.dims[0], half);
    return norm2d(b, "2", x, norm_of(c));
  });
}

Tensor downsample(Builder& b, Tensor x, const ConvNeXtConfig& c, std::size_t stage) {
  const auto stride = stride_of(c, stage);
  if (stride == 1 && x.dim(1) == c.dims[stage]) return identity(b, "downsample", x);
  return b.call("downsample", kSequential, {x}, [&] {
    const Size2 side{stride, stride};
    return conv2d(b, "1", norm2d(b, "0", x, norm_of(c)), c.dims[stage],
                  {.kernel = side, .stride = side, .bias = c.conv_bias});
  });
}

// The MLP sees the channels last, unless it is made of 1x1 convolutions.
Tensor convnext_mlp(Builder& b, Tensor x, const ConvNeXtConfig& c) {
  MlpOptions o;
  if (c.use_grn) o.kind.kind = "GlobalResponseNormMlp";
  o.act = activation_kind(c.act_layer);
  o.conv = c.conv_mlp;
  o.hidden = 4 * x.dim(1);
  if (c.conv_mlp) return mlp(b, "mlp", norm2d(b, "norm", x, norm_of(c)), o);
  const auto y = mlp(b, "mlp", norm(b, "norm", b.permute(x, {0, 2, 3, 1}), norm_of(c)), o);
  return b.permute(y, {0, 3, 1, 2});
}

Tensor block(Builder& b, Tensor x, const ConvNeXtConfig& c, std::size_t stage,
             std::uint64_t index) {
  const auto kernel = kernel_at(c, stage);
  auto y = conv2d(b, "conv_dw", x, x.dim(1),
                  {.kernel = {kernel, kernel},
                   .stride = {1, 1},
                   .padding = {kernel / 2, kernel / 2},
                   .groups = x.dim(1),
                   .bias = c.conv_bias});
  y = convnext_mlp(b, y, c);
  if (c.ls_init_value)
    y = y * b.reshape(b.parameter("gamma", {x.dim(1)}, Role::scale), {1, x.dim(1), 1, 1});
  const auto before = std::accumulate(
      c.depths.begin(), c.depths.begin() + static_cast<std::ptrdiff_t>(stage), std::uint64_t{0});
  const auto all = std::accumulate(c.depths.begin(), c.depths.end(), std::uint64_t{0});
  y = drop_path(b, "drop_path", y, drop_path_rate_at(c.drop_path_rate, before + index, all));
  return y + identity(b, "shortcut", x);
}

Tensor stage(Builder& b, Tensor x, const ConvNeXtConfig& c, std::size_t index) {
  x = downsample(b, x, c, index);
  return b.call("blocks", kSequential, {x}, [&] {
    auto y = x;
    for (std::uint64_t i = 0; i < c.depths[index]; ++i)
      y = b.layer(i, "ConvNeXtBlock", {y}, [&] { return block(b, y, c, index, i); });
    return y;
  });
}

ModuleType pool_type(std::string_view global_pool) {
  if (global_pool.empty()) return {"Identity", Role::none, TorchClass::identity};
  if (global_pool == "avg")
    return {"AdaptiveAvgPool2d", Role::none, TorchClass::adaptive_avg_pool2d};
  return global_pool == "max" ? "AdaptiveMaxPool2d" : "AdaptiveAvgMaxPool2d";
}

// [B, C, H, W] -> [B, C, 1, 1], or [B, C] when flattened; '' keeps all positions.
Tensor pool2d(Builder& b, Tensor x, const ConvNeXtConfig& c, bool flatten) {
  return b.call("global_pool", "SelectAdaptivePool2d", {x}, [&] {
    const auto pooled = b.call("pool", pool_type(c.global_pool), {x}, [&] {
      if (c.global_pool.empty()) return x;
      const auto rows = b.reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)});
      const auto y = pool_tokens(b, b.transpose(rows, 1, 2), c.global_pool, 0);
      return b.reshape(y, {x.dim(0), x.dim(1), 1, 1});
    });
    return b.call("flatten", flatten ? "Flatten" : "Identity", {pooled}, [&] {
      return flatten ? b.reshape(pooled, {pooled.dim(0), pooled.dim(1)}) : pooled;
    });
  });
}

// Without pooling the head's layers are 1x1 convolutions.
Tensor head_layer(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role) {
  return x.shape().rank() == 4 ? conv1x1(b, name, x, out, role) : linear(b, name, x, out, role);
}

Tensor norm_mlp_head(Builder& b, Tensor x, const ConvNeXtConfig& c) {
  return b.call("head", "NormMlpClassifierHead", {x}, [&] {
    auto y = norm2d(b, "norm", pool2d(b, x, c, false), norm_of(c));
    y = c.global_pool.empty() ? identity(b, "flatten", y) : b.call("flatten", "Flatten", {y}, [&] {
      return b.reshape(y, {y.dim(0), y.dim(1)});
    });
    y = c.head_hidden_size ? b.call("pre_logits", kSequential, {y},
                                    [&] {
                                      const auto hidden = head_layer(
                                          b, "fc", y, *c.head_hidden_size, Role::transform);
                                      return activation(b, "act", hidden, op::ActivationKind::gelu);
                                    })
                           : identity(b, "pre_logits", y);
    y = dropout(b, "drop", y, c.drop_rate);
    return c.num_classes > 0 ? head_layer(b, "fc", y, c.num_classes, Role::classifier)
                             : identity(b, "fc", y);
  });
}

Tensor plain_head(Builder& b, Tensor x, const ConvNeXtConfig& c) {
  return b.call("head", "ClassifierHead", {x}, [&] {
    const auto y = pool2d(b, x, c, !c.global_pool.empty());
    return classifier(b, "fc", dropout(b, "drop", y, c.drop_rate), c.num_classes);
  });
}

Tensors forward(Builder& b, const ConvNeXtConfig& c) {
  b.graph().modules[0].type = "ConvNeXt";
  const auto image = b.input({b.options().batch, c.in_chans, c.img_size.height, c.img_size.width});
  auto x = stem(b, image, c);
  b.graph().num_tokens = x.dim(2) * x.dim(3);
  x = b.call("stages", kSequential, {x}, [&] {
    auto y = x;
    for (std::size_t i = 0; i < kConvNeXtStages; ++i)
      y = b.call(std::to_string(i), "ConvNeXtStage", {y}, [&] { return stage(b, y, c, i); });
    return y;
  });
  if (c.head_norm_first) return {plain_head(b, norm2d(b, "norm_pre", x, norm_of(c)), c)};
  return {norm_mlp_head(b, identity(b, "norm_pre", x), c)};
}

std::vector<Field> convnext_stage_fields() {
  using C = ConvNeXtConfig;
  return {
      field<&C::output_stride>("output_stride",
                               "Pixels to a position of the last stage; smaller ones than 32 "
                               "dilate, which is not known here.")
          .between(32, 32),
      field<&C::depths>("depths", "Blocks of each of the four stages.").at_most(kMaxDepth),
      field<&C::dims>("dims", "Channels of each stage.").between(1, kMaxWidth),
      field<&C::kernel_sizes>("kernel_sizes",
                              "Side of the depthwise convolutions: one, or one a stage.")
          .between(1, kMaxSide),
      field<&C::ls_init_value>("ls_init_value",
                               "First value of LayerScale's gamma (no effect on counts); null: the "
                               "blocks have none."),
      field<&C::stem_type>("stem_type",
                           "Stem: patches, or two overlapping convolutions of stride 2, the first "
                           "of them as wide as the second or half as wide (tiered).")
          .one_of({"patch", "overlap", "overlap_tiered"}),
  };
}

std::vector<Field> convnext_layer_fields() {
  using C = ConvNeXtConfig;
  return {
      field<&C::head_init_scale>("head_init_scale",
                                 "Scale of the head's first weights (no effect on counts)."),
      field<&C::head_norm_first>("head_norm_first", "The last norm comes before the pooling."),
      field<&C::head_hidden_size>("head_hidden_size",
                                  "Width of a hidden layer in the head; null: none.")
          .between(1, kMaxWidth),
      field<&C::conv_mlp>("conv_mlp", "MLPs of 1x1 convolutions, channels first."),
      field<&C::conv_bias>("conv_bias", "Bias of the convolutions."),
      field<&C::use_grn>("use_grn", "Global response normalisation in the MLPs (ConvNeXt V2)."),
      field<&C::act_layer>("act_layer", "Activation of the MLPs.").one_of(activation_names()),
      field<&C::norm_layer>("norm_layer", "Norm of all layers; null: LayerNorm.")
          .one_of({"LayerNorm", ""})
          .or_null(),
      field<&C::norm_eps>("norm_eps", "Epsilon of the norms; null: 1e-6."),
  };
}

}  // namespace

Architecture convnext_architecture() {
  using C = ConvNeXtConfig;
  auto a = architecture<C, validate, forward>(
      "convnext", "ConvNeXt: timm's convnext module (arXiv:2201.03545, 2301.00808).");
  a.fields = all_fields(image_fields<C>(), global_pool_fields<C>({"avg", "avgmax", "max", ""}),
                        convnext_stage_fields(), convnext_layer_fields(), drop_fields<C>());
  return a;
}

}  // namespace vitals
