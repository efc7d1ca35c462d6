#include "models/diffusion/hunyuan_dit.h"

#include "models/layers/layers.h"

#include <cmath>

namespace vitals {
namespace {

constexpr std::uint64_t kWaves = 256;    // sines and cosines of a number
constexpr std::uint64_t kMetaSizes = 6;  // sizes of the image that are told
constexpr std::uint64_t kPoolHeads = 8;  // of the pool over the text
constexpr NormOptions kHunyuanNorm{.eps = 1e-6};

std::uint64_t width_of(const HunyuanDitConfig& c) {
  return c.num_attention_heads * c.attention_head_dim;
}
std::uint64_t side_of(const HunyuanDitConfig& c) { return c.sample_size / c.patch_size; }

void validate(const HunyuanDitConfig& c) {
  if (side_of(c) == 0)
    fail("/sample_size: {} is smaller than the patch of {}", c.sample_size, c.patch_size);
  if (c.cross_attention_dim_t5 % kPoolHeads != 0)
    fail("/cross_attention_dim_t5: {} is not divisible by the {} heads of the pool",
         c.cross_attention_dim_t5, kPoolHeads);
}

Tensor two_linears(Builder& b, std::string_view name, Tensor x, std::uint64_t hidden,
                   std::uint64_t out) {
  return b.call(name, "TextProjection", {x}, [&] {
    auto y = linear(b, "linear_1", x, hidden, Role::projection);
    y = b.activation(y, op::ActivationKind::silu);
    return linear(b, "linear_2", y, out, Role::projection);
  });
}

struct HunyuanAttention {
  std::string_view name;
  bool rotated_keys;
};

// Queries of the latents, keys and values of `source`, both normed by head.
Tensor hunyuan_attention(Builder& b, const HunyuanAttention& kind, Tensor x, Tensor source,
                         Tensor table, const HunyuanDitConfig& c) {
  const auto heads = c.num_attention_heads;
  return b.call(kind.name, attention_type("Attention", heads, heads), {x, source}, [&] {
    const auto width = width_of(c);
    auto q = heads_of(b, linear(b, "to_q", x, width, Role::query), heads);
    auto k = heads_of(b, linear(b, "to_k", source, width, Role::key), heads);
    const auto v = heads_of(b, linear(b, "to_v", source, width, Role::value), heads);
    q = norm(b, "norm_q", q, kHunyuanNorm);
    k = norm(b, "norm_k", k, kHunyuanNorm);
    const op::Rope rope{c.attention_head_dim, false};
    q = b.add(rope, {q, table});
    if (kind.rotated_keys) k = b.add(rope, {k, table});
    AttentionCore core;
    core.scale = 1.0 / std::sqrt(static_cast<double>(c.attention_head_dim));
    core.drop_name = "";
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    return linear(b, "to_out.0", y, width, Role::attention_output);
  });
}

Tensor hunyuan_block(Builder& b, Tensor x, std::optional<Tensor> skip, Tensor text, Tensor time,
                     Tensor table, const HunyuanDitConfig& c) {
  const auto width = width_of(c);
  if (skip) {
    const auto both = norm(b, "skip_norm", b.concat({x, *skip}, 2), kHunyuanNorm);
    x = linear(b, "skip_linear", both, width, Role::projection);
  }
  const auto told = b.call("norm1", "AdaLayerNormShift", {x, time}, [&] {
    const auto shift =
        linear(b, "linear", b.activation(time, op::ActivationKind::silu), width, Role::projection);
    const auto normed = norm(b, "norm", x, kHunyuanNorm);
    return normed + b.reshape(shift, {x.dim(0), 1, width});
  });
  x = x + hunyuan_attention(b, {"attn1", true}, told, told, table, c);
  const auto asking = norm(b, "norm2", x, kHunyuanNorm);
  x = x + hunyuan_attention(b, {"attn2", false}, asking, text, table, c);
  const auto normed = norm(b, "norm3", x, kHunyuanNorm);
  return x + b.call("ff", {"FeedForward", Role::feed_forward}, {normed}, [&] {
    const auto up = linear(b, "net.0.proj", normed, c.intermediate_size, Role::up);
    return linear(b, "net.2", b.activation(up, op::ActivationKind::gelu_tanh), width, Role::down);
  });
}

// One vector of the text: its mean asks all of its tokens.
Tensor pooled_text(Builder& b, Tensor text, const HunyuanDitConfig& c) {
  return b.call("pooler", "HunyuanDiTAttentionPool", {text}, [&] {
    const auto width = text.dim(2);
    const auto mean = b.reshape(b.mean(text, 1), {text.dim(0), 1, width});
    const auto places =
        b.parameter("positional_embedding", {text.dim(1) + 1, width}, Role::position_embedding);
    const auto joined = b.concat({mean, text}, 1);
    const auto all = joined + b.reshape(places, {1, text.dim(1) + 1, width});
    const auto first = b.slice(all, 1, 0, 1);
    const auto q = heads_of(b, linear(b, "q_proj", first, width, Role::query), kPoolHeads);
    const auto k = heads_of(b, linear(b, "k_proj", all, width, Role::key), kPoolHeads);
    const auto v = heads_of(b, linear(b, "v_proj", all, width, Role::value), kPoolHeads);
    AttentionCore core;
    core.scale = 1.0 / std::sqrt(static_cast<double>(width / kPoolHeads));
    core.drop_name = "";
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    return b.select(linear(b, "c_proj", y, c.pooled_projection_dim, Role::projection), 1, 0);
  });
}

// What every block is told: the time step, the text as a whole, and the image's size and style.
Tensor hunyuan_condition(Builder& b, Tensor text, const HunyuanDitConfig& c) {
  return b.call("time_extra_emb", "CombinedEmbedding", {text}, [&] {
    const auto batch = text.dim(0);
    const auto width = width_of(c);
    const auto waves = b.constant({batch, kWaves});
    const auto time = two_linears(b, "timestep_embedder", waves, width, width);
    Tensors extra = {pooled_text(b, text, c)};
    if (c.style_and_size) {
      extra.push_back(b.constant({batch, kMetaSizes * kWaves}));
      const auto style = b.constant({batch}, DType::i64);
      extra.push_back(embedding(b, "style_embedder", style, 1, width, Role::type_embedding));
    }
    const auto joined = extra.size() == 1 ? extra.front() : b.concat(extra, 1);
    return time + two_linears(b, "extra_embedder", joined, 4 * width, width);
  });
}

Tensors forward(Builder& b, const HunyuanDitConfig& c) {
  b.graph().modules[0].type = "HunyuanDiT2DModel";
  const auto batch = b.options().batch;
  const auto width = width_of(c);
  const auto latents = b.input({batch, c.in_channels, c.sample_size, c.sample_size});
  const auto words = b.input({batch, c.text_len, c.cross_attention_dim});
  const auto words_t5 = b.input({batch, c.text_len_t5, c.cross_attention_dim_t5});
  const Size2 patch{c.patch_size, c.patch_size};
  auto x = patch_embed(b, latents, {.name = "pos_embed", .patch = patch, .embed_dim = width});
  b.graph().num_tokens = x.dim(1);
  const auto condition = hunyuan_condition(b, words_t5, c);
  const auto projected = two_linears(b, "text_embedder", words_t5, 4 * c.cross_attention_dim_t5,
                                     c.cross_attention_dim);
  const auto padding = b.parameter(
      "text_embedding_padding", {c.text_len + c.text_len_t5, c.cross_attention_dim}, Role::token);
  auto text = b.concat({words, projected}, 1);
  text = b.add(op::Where{},
               {b.constant({batch, c.text_len + c.text_len_t5, 1}, DType::boolean), text, padding});
  const auto table = b.constant({x.dim(1), 2 * c.attention_head_dim});
  Tensors skips;
  x = b.within("blocks", kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.num_layers; ++i) {
      std::optional<Tensor> skip;
      if (i > c.num_layers / 2) {
        skip = skips.back();
        skips.pop_back();
      }
      x = b.layer(i, "HunyuanDiTBlock", {x, text, condition},
                  [&] { return hunyuan_block(b, x, skip, text, condition, table, c); });
      if (i + 1 < c.num_layers - c.num_layers / 2) skips.push_back(x);
    }
    return x;
  });
  x = b.call("norm_out", "AdaLayerNormContinuous", {x, condition}, [&] {
    const auto both = linear(b, "linear", b.activation(condition, op::ActivationKind::silu),
                             2 * width, Role::projection);
    const auto parts = b.split(b.reshape(both, {batch, 1, 2 * width}), 2, {width, width});
    const auto normed = norm(b, "norm", x, NormOptions{.eps = 1e-6, .affine = false});
    return normed * parts[0] + parts[1];
  });
  const auto out = (c.learn_sigma ? 2 : 1) * c.in_channels;
  return {linear(b, "proj_out", x, c.patch_size * c.patch_size * out, Role::projection)};
}

std::vector<Field> hunyuan_fields() {
  using C = HunyuanDitConfig;
  return {
      field<&C::sample_size>("sample_size", "Side of the latents.").between(1, kMaxSide),
      field<&C::patch_size>("patch_size", "Side of a patch of latents.").between(1, kMaxSide),
      field<&C::in_channels>("in_channels", "Channels of the latents.").between(1, kMaxWidth),
      field<&C::learn_sigma>("learn_sigma", "The variance is predicted, too."),
      field<&C::num_layers>("num_layers", "Number of blocks.").at_most(kMaxDepth),
      field<&C::num_attention_heads>("num_attention_heads", "Attention heads.")
          .between(1, kMaxWidth),
      field<&C::attention_head_dim>("attention_head_dim", "Width of a head.").between(1, kMaxWidth),
      field<&C::intermediate_size>("intermediate_size", "Hidden features of the MLP.")
          .between(1, kMaxWidth),
      field<&C::cross_attention_dim>("cross_attention_dim", "Width of the first text's tokens.")
          .between(1, kMaxWidth),
      field<&C::cross_attention_dim_t5>("cross_attention_dim_t5", "Width of the second text's.")
          .between(1, kMaxWidth),
      field<&C::pooled_projection_dim>("pooled_projection_dim", "Width of the text's vector.")
          .between(1, kMaxWidth),
      field<&C::text_len>("text_len", "Tokens of the first text.").between(1, kMaxSide),
      field<&C::text_len_t5>("text_len_t5", "Tokens of the second text.").between(1, kMaxSide),
      field<&C::style_and_size>("style_and_size", "Style and size of the image are told."),
  };
}

}  // namespace

Architecture hunyuan_dit_architecture() {
  auto a = architecture<HunyuanDitConfig, validate, forward>(
      "hunyuan_dit", "Denoiser over latents and two texts: Hunyuan-DiT.");
  a.fields = hunyuan_fields();
  return a;
}

}  // namespace vitals
