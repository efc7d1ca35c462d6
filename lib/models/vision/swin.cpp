#include "models/vision/swin.h"

#include "models/vision/image.h"
#include "models/vision/image_fields.h"
#include "models/vision/swin_block.h"

#include <numeric>

namespace vitals {
namespace {

ImagePatches image_of(const SwinConfig& c) {
  return {c.img_size, c.patch_size, c.in_chans, false, std::nullopt};
}

// One value stands for all stages.
template <class T>
T at_stage(const std::vector<T>& values, std::size_t stage) {
  return values.size() == 1 ? values[0] : values[stage];
}

// Two sizes are height and width for all stages, as many as stages one for each.
Size2 window_at(const SwinConfig& c, std::size_t stage) {
  if (c.window_size.size() == 2) return {c.window_size[0], c.window_size[1]};
  const auto side = at_stage(c.window_size, stage);
  return {side, side};
}

std::uint64_t width_at(const SwinConfig& c, std::size_t stage) { return c.embed_dim << stage; }

std::uint64_t head_dim_at(const SwinConfig& c, std::size_t stage) {
  return c.head_dim.empty() ? width_at(c, stage) / at_stage(c.num_heads, stage)
                            : at_stage(c.head_dim, stage);
}

// Where the field has its default, it is depths that was stated.
template <class T>
void check_stages(std::string_view field, const std::vector<T>& values,
                  const std::vector<T>& defaults, std::size_t stages) {
  if (values.size() <= 1 || values.size() == stages) return;
  const auto* s = stages == 1 ? "" : "s";
  if (values == defaults)
    fail("/depths: {} stage{}, but {} has {} values; state one of it, or one a stage", stages, s,
         field, values.size());
  fail("/{}: {} values for {} stage{}; state one, or one a stage", field, values.size(), stages, s);
}

void validate(const SwinConfig& c) {
  constexpr std::size_t kMaxStages = 12;
  check_patches(image_of(c), false);
  const auto stages = c.depths.size();
  if (stages > kMaxStages)
    fail("/depths: {} stages; each halves the grid, and at most {} make sense", stages, kMaxStages);
  const SwinConfig defaults;
  check_stages("num_heads", c.num_heads, defaults.num_heads, stages);
  check_stages("head_dim", c.head_dim, defaults.head_dim, stages);
  check_stages("mlp_ratio", c.mlp_ratio, defaults.mlp_ratio, stages);
  if (c.window_size.size() != 2)
    check_stages("window_size", c.window_size, defaults.window_size, stages);
  const auto grid = image_of(c).grid();
  for (std::size_t i = 0; i < stages; ++i) {
    if (grid.height >> i == 0 || grid.width >> i == 0)
      fail("/img_size: {}x{} patches leave nothing for stage {}, which sees them halved {} times",
           grid.height, grid.width, i, i);
    if (c.head_dim.empty() && width_at(c, i) % at_stage(c.num_heads, i) != 0)
      fail("/num_heads: stage {} has {} features, which {} heads do not divide", i, width_at(c, i),
           at_stage(c.num_heads, i));
    (void)hidden_features(width_at(c, i), at_stage(c.mlp_ratio, i));
  }
  if (c.global_pool.empty() && c.num_classes > 0)
    fail("/global_pool: without pooling there can be no head; set num_classes to 0");
}

// A window is never larger than the grid, and one that fills the grid does not shift.
void fit_window(SwinBlock& o, const SwinConfig& c, const Size2& grid, bool shifted) {
  if (shifted) o.shift = {o.window.height / 2, o.window.width / 2};
  if (c.always_partition) return;
  auto fit = [](std::uint64_t side, std::uint64_t& window, std::uint64_t& shift) {
    window = std::min(side, window);
    if (side <= window) shift = 0;
  };
  fit(grid.height, o.window.height, o.shift.height);
  fit(grid.width, o.window.width, o.shift.width);
}

SwinBlock block_of(const SwinConfig& c, std::size_t stage, std::uint64_t index) {
  SwinBlock o;
  o.num_heads = at_stage(c.num_heads, stage);
  o.head_dim = head_dim_at(c, stage);
  o.window = window_at(c, stage);
  o.second_version = c.version == 2;
  if (c.full_bias_tables) o.table_window = o.window;
  const auto patches = image_of(c).grid();
  const Size2 grid{patches.height >> stage, patches.width >> stage};
  fit_window(o, c, grid, index % 2 == 1);
  if (c.strict_img_size) o.mask_grid = grid;
  o.qkv_bias = c.qkv_bias;
  o.norm = norm_or_default(c.norm_layer, 1e-5);
  o.mlp = {.hidden = hidden_features(width_at(c, stage), at_stage(c.mlp_ratio, stage)),
           .drop = c.proj_drop_rate};
  o.proj_drop = c.proj_drop_rate;
  o.attn_drop = c.attn_drop_rate;
  const auto before = std::accumulate(
      c.depths.begin(), c.depths.begin() + static_cast<std::ptrdiff_t>(stage), std::uint64_t{0});
  const auto all = std::accumulate(c.depths.begin(), c.depths.end(), std::uint64_t{0});
  o.drop_path = drop_path_rate_at(c.drop_path_rate, before + index, all);
  return o;
}

// Four neighbours become one patch of twice the width: [B, H, W, C] -> [B, H/2, W/2, 2C].
Tensor patch_merging(Builder& b, Tensor x, const LayerSpec& layer, bool norm_last) {
  return b.call("downsample", "PatchMerging", {x}, [&] {
    auto y = pad_zeros(b, x, 2, 0, x.dim(2) % 2);
    y = pad_zeros(b, y, 1, 0, y.dim(1) % 2);
    const auto s = y.shape();
    y = b.reshape(y, {s[0], s[1] / 2, 2, s[2] / 2, 2, s[3]});
    y = b.permute(y, {0, 1, 3, 4, 2, 5});
    y = b.reshape(y, {s[0], s[1] / 2, s[2] / 2, 4 * s[3]});
    if (norm_last)
      return norm(b, "norm", linear(b, "reduction", y, 2 * s[3], Role::projection, false), layer);
    y = norm(b, "norm", y, layer);
    return linear(b, "reduction", y, 2 * s[3], Role::projection, false);
  });
}

Tensor stage(Builder& b, Tensor x, const SwinConfig& c, std::size_t index) {
  x = index == 0 ? identity(b, "downsample", x)
                 : patch_merging(b, x, norm_or_default(c.norm_layer, 1e-5), c.version == 2);
  return b.call("blocks", kSequential, {x}, [&] {
    auto y = x;
    for (std::uint64_t i = 0; i < c.depths[index]; ++i)
      y = b.layer(i, "SwinTransformerBlock", {y},
                  [&] { return swin_block(b, y, block_of(c, index, i)); });
    return y;
  });
}

Tensor head(Builder& b, Tensor x, const SwinConfig& c) {
  return b.call("head", "ClassifierHead", {x}, [&] {
    auto y = b.call("global_pool", "SelectAdaptivePool2d", {x}, [&] {
      if (c.global_pool.empty()) return x;
      const auto flat = b.reshape(x, {x.dim(0), x.dim(1) * x.dim(2), x.dim(3)});
      return pool_tokens(b, flat, c.global_pool, 0);
    });
    y = dropout(b, "drop", y, c.drop_rate);
    return classifier(b, "fc", y, c.num_classes);
  });
}

Tensors forward(Builder& b, const SwinConfig& c) {
  b.graph().modules[0].type = "SwinTransformer";
  const auto layer = norm_or_default(c.norm_layer, 1e-5);
  auto x = patch_embed(
      b, image_input(b, image_of(c)),
      {.patch = c.patch_size, .embed_dim = c.embed_dim, .norm = layer, .keep_grid = true});
  b.graph().num_tokens = x.dim(1) * x.dim(2);
  x = b.call("layers", kSequential, {x}, [&] {
    auto y = x;
    for (std::size_t i = 0; i < c.depths.size(); ++i)
      y = b.call(std::to_string(i), "SwinTransformerStage", {y}, [&] { return stage(b, y, c, i); });
    return y;
  });
  return {head(b, norm(b, "norm", x, layer), c)};
}

std::vector<Field> stage_fields() {
  using C = SwinConfig;
  return {
      field<&C::embed_dim>("embed_dim", "Width of the first stage; each further one doubles it.")
          .between(1, kMaxWidth),
      field<&C::depths>("depths", "Blocks of each stage.").at_most(kMaxDepth),
      field<&C::num_heads>("num_heads", "Attention heads of each stage.").between(1, kMaxWidth),
      field<&C::head_dim>("head_dim", "Width of a head of each stage; null: the heads' share.")
          .between(1, kMaxWidth)
          .or_null(),
      field<&C::window_size>(
          "window_size", "Side of the windows in patches: one, [height, width], or one a stage.")
          .between(1, kMaxSide),
      field<&C::always_partition>("always_partition",
                                  "Windows keep their size and shift where the grid is smaller."),
      field<&C::strict_img_size>("strict_img_size",
                                 "Window masks are laid once, for this image size."),
      field<&C::full_bias_tables>(
          "full_bias_tables",
          "Tables of relative positions keep window_size where the grid is smaller, as Hugging "
          "Face's do."),
      field<&C::version>("version",
                         "2: Swin V2, with norms behind attention and MLP, cosine attention and "
                         "biases from a small network.")
          .between(1, 2),
      field<&C::mlp_ratio>("mlp_ratio",
                           "Hidden features of the MLP as a multiple of the width, of each stage.")
          .above(0)
          .at_most(1e4),
      field<&C::qkv_bias>("qkv_bias", "Bias of the query, key and value projection."),
  };
}

std::vector<Field> swin_layer_fields() {
  using C = SwinConfig;
  return {
      field<&C::embed_layer>("embed_layer", "Layer that embeds the patches.")
          .one_of({"PatchEmbed"}),
      field<&C::norm_layer>("norm_layer", "Norm of the blocks (eps 1e-5).")
          .one_of({"LayerNorm", "RmsNorm"})
          .takes("eps"),
  };
}

}  // namespace

Architecture swin_architecture() {
  using C = SwinConfig;
  auto a = architecture<C, validate, forward>(
      "swin_transformer",
      "Swin Transformer and S3: timm's swin_transformer module (arXiv:2103.14030).");
  a.aliases = {"swin"};
  a.fused_attention = false;  // timm: use_fused_attn(experimental=True)
  a.fields = all_fields(image_fields<C>(), global_pool_fields<C>({"avg", "avgmax", "max", ""}),
                        stage_fields(), drop_fields<C>(), swin_layer_fields());
  return a;
}

}  // namespace vitals
