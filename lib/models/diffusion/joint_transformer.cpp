#include "models/diffusion/joint_transformer.h"

#include "models/layers/layers.h"

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

constexpr std::uint64_t kTimeFeatures = 256;  // sines and cosines of the time step
constexpr auto kGelu = op::ActivationKind::gelu_tanh;

std::uint64_t width_of(const JointTransformerConfig& c) {
  return c.num_attention_heads * c.attention_head_dim;
}
std::uint64_t side_of(const JointTransformerConfig& c) { return c.sample_size / c.patch_size; }

void validate(const JointTransformerConfig& c) {
  if (side_of(c) == 0)
    fail("/sample_size: {} is smaller than the patch of {}", c.sample_size, c.patch_size);
  if (c.caption_projection_dim != width_of(c))
    fail("/caption_projection_dim: {}, but {} heads of {} make a width of {}",
         c.caption_projection_dim, c.num_attention_heads, c.attention_head_dim, width_of(c));
  for (const auto layer : c.dual_attention_layers)
    if (layer >= c.num_layers) fail("/dual_attention_layers: layer {} of {}", layer, c.num_layers);
}

// Two linear layers with an activation between them.
Tensor two_layers(Builder& b, std::string_view name, Tensor x, std::uint64_t width) {
  return b.call(name, "Embedding", {x}, [&] {
    const auto y = activation(b, "act", linear(b, "linear_1", x, width, Role::projection),
                              op::ActivationKind::silu);
    return linear(b, "linear_2", y, width, Role::projection);
  });
}

// What every block is told of the time step and of the text as a whole: [B, width].
Tensor conditioning(Builder& b, Tensor pooled, const JointTransformerConfig& c) {
  return b.call("time_text_embed", "TimeTextEmbeddings", {pooled}, [&] {
    const auto waves = b.constant({pooled.dim(0), kTimeFeatures});
    auto x = two_layers(b, "timestep_embedder", waves, width_of(c));
    if (c.guidance_embeds) x = x + two_layers(b, "guidance_embedder", waves, width_of(c));
    return x + two_layers(b, "text_embedder", pooled, width_of(c));
  });
}

Tensor plain_norm(Builder& b, std::string_view name, Tensor x) {
  return norm(b, name, x, NormOptions{.eps = 1e-6, .affine = false});
}

// A norm without weights of its own, and `parts` vectors that the conditioning gives for scales,
// shifts and gates (DiT, arXiv:2212.09748).
struct Modulated {
  Tensor x;
  Tensors vectors;  // [B, 1, width] each, the first two used
};
Modulated modulated(Builder& b, std::string_view name, Tensor x, Tensor condition,
                    std::uint64_t parts) {
  Tensors vectors;
  const auto y = b.call(name, "AdaLayerNorm", {x, condition}, [&] {
    const auto width = x.dim(-1);
    const auto active = activation(b, "silu", condition, op::ActivationKind::silu);
    auto all = linear(b, "linear", active, parts * width, Role::projection);
    all = b.reshape(all, {x.dim(0), 1, parts * width});
    vectors = b.split(all, -1, std::vector<std::uint64_t>(parts, width));
    return plain_norm(b, "norm", x) * vectors[1] + vectors[0];
  });
  return {y, vectors};
}

struct Projections {
  std::string_view q, k, v;
  std::string_view q_norm, k_norm;
};

Qkv projected(Builder& b, Tensor x, const Projections& names, const JointTransformerConfig& c) {
  auto heads = [&](std::string_view name, Role role) {
    return heads_of(b, linear(b, name, x, width_of(c), role), c.num_attention_heads);
  };
  auto q = heads(names.q, Role::query);
  auto k = heads(names.k, Role::key);
  const auto v = heads(names.v, Role::value);
  if (c.qk_norm) {
    const NormOptions rms{.rms = true, .eps = 1e-6};
    q = norm(b, names.q_norm, q, rms);
    k = norm(b, names.k_norm, k, rms);
  }
  return {q, k, v};
}

constexpr Projections kOwn{"to_q", "to_k", "to_v", "norm_q", "norm_k"};
constexpr Projections kAdded{"add_q_proj", "add_k_proj", "add_v_proj", "norm_added_q",
                             "norm_added_k"};

Tensor attended(Builder& b, const Qkv& o, const JointTransformerConfig& c) {
  const AttentionCore core{.scale = 1.0 / std::sqrt(static_cast<double>(c.attention_head_dim)),
                           .drop_name = {}};
  return merge_heads(b, attention_core(b, o.q, o.k, o.v, core));
}

// Text and latents in one attention; the text's output is not computed where nobody reads it.
Tensors joint_attention(Builder& b, Tensor x, Tensor text, bool reads_text,
                        const JointTransformerConfig& c) {
  return b.call("attn", attention_type("Attention", c.num_attention_heads, c.num_attention_heads),
                {x, text}, [&]() -> Tensors {
                  const auto own = projected(b, x, kOwn, c);
                  const auto added = projected(b, text, kAdded, c);
                  const Qkv all{b.concat({added.q, own.q}, 2), b.concat({added.k, own.k}, 2),
                                b.concat({added.v, own.v}, 2)};
                  const auto y = attended(b, all, c);
                  const auto texts = text.dim(1);
                  const auto seen = b.slice(y, 1, texts, x.dim(1));
                  const auto out = linear(b, "to_out.0", seen, width_of(c), Role::attention_output);
                  if (!reads_text) return {out};
                  return {out, linear(b, "to_add_out", b.slice(y, 1, 0, texts), width_of(c),
                                      Role::attention_output)};
                });
}

// A second attention of the latents among themselves (Stable Diffusion 3.5).
Tensor own_attention(Builder& b, Tensor x, const JointTransformerConfig& c) {
  return b.call("attn2", attention_type("Attention", c.num_attention_heads, c.num_attention_heads),
                {x}, [&] {
                  const auto y = attended(b, projected(b, x, kOwn, c), c);
                  return linear(b, "to_out.0", y, width_of(c), Role::attention_output);
                });
}

Tensor feed_forward(Builder& b, std::string_view name, Tensor x) {
  return b.call(name, {"FeedForward", Role::feed_forward}, {x}, [&] {
    const auto up = linear(b, "net.0.proj", x, 4 * x.dim(-1), Role::up);
    return linear(b, "net.2", b.activation(up, kGelu), x.dim(-1), Role::down);
  });
}

Tensor after_attention(Builder& b, std::string_view norm_name, std::string_view ff, Tensor x,
                       const Tensors& vectors) {
  const auto y = plain_norm(b, norm_name, x) * vectors[4] + vectors[3];
  return x + vectors[5] * feed_forward(b, ff, y);
}

Tensors joint_block(Builder& b, Tensor x, Tensor text, Tensor condition, std::uint64_t index,
                    const JointTransformerConfig& c) {
  const bool dual = std::find(c.dual_attention_layers.begin(), c.dual_attention_layers.end(),
                              index) != c.dual_attention_layers.end();
  const bool reads_text = !(c.last_text_only_read && index + 1 == c.num_layers);
  const auto own = modulated(b, "norm1", x, condition, dual ? 9 : 6);
  const auto words = modulated(b, "norm1_context", text, condition, reads_text ? 6 : 2);
  const auto out = joint_attention(b, own.x, words.x, reads_text, c);
  if (dual) {
    const auto second = plain_norm(b, "norm1.norm", x) * own.vectors[7] + own.vectors[6];
    x = x + own.vectors[8] * own_attention(b, second, c);
  }
  x = after_attention(b, "norm2", "ff", x + own.vectors[2] * out[0], own.vectors);
  if (reads_text)
    text = after_attention(b, "norm2_context", "ff_context", text + words.vectors[2] * out[1],
                           words.vectors);
  return {x, text};
}

// Attention and feed-forward side by side, over text and latents as one sequence (FLUX.1).
Tensor single_block(Builder& b, Tensor x, Tensor condition, const JointTransformerConfig& c) {
  const auto normed = modulated(b, "norm", x, condition, 3);
  const auto up = linear(b, "proj_mlp", normed.x, 4 * width_of(c), Role::up);
  const auto seen =
      b.call("attn", attention_type("Attention", c.num_attention_heads, c.num_attention_heads),
             {normed.x}, [&] { return attended(b, projected(b, normed.x, kOwn, c), c); });
  const auto both = b.concat({seen, b.activation(up, kGelu)}, 2);
  return x + normed.vectors[2] * linear(b, "proj_out", both, width_of(c), Role::output_down);
}

// Latents as tokens: by a convolution, or packed before as FLUX.1 has them.
Tensor tokens_of(Builder& b, const JointTransformerConfig& c) {
  const auto batch = b.options().batch;
  const auto side = side_of(c);
  if (!c.convolve_patches)
    return linear(b, "x_embedder", b.input({batch, side * side, c.in_channels}), width_of(c),
                  Role::patch_embedding);
  const auto latents = b.input({batch, c.in_channels, c.sample_size, c.sample_size});
  const Size2 patch{c.patch_size, c.patch_size};
  const auto x =
      patch_embed(b, latents, {.name = "pos_embed", .patch = patch, .embed_dim = width_of(c)});
  return x + b.constant({1, x.dim(1), x.dim(2)});
}

Tensors forward(Builder& b, const JointTransformerConfig& c) {
  b.graph().modules[0].type = "JointTransformer";
  const auto batch = b.options().batch;
  auto x = tokens_of(b, c);
  b.graph().num_tokens = x.dim(1);
  const auto words = b.input({batch, c.text_len, c.joint_attention_dim});
  const auto condition = conditioning(b, b.input({batch, c.pooled_projection_dim}), c);
  auto text = linear(b, "context_embedder", words, width_of(c), Role::projection);
  b.within("transformer_blocks", kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.num_layers; ++i) {
      const auto both = b.layer(i, "JointTransformerBlock", {x, text, condition},
                                [&] { return joint_block(b, x, text, condition, i, c); });
      x = both[0];
      text = both[1];
    }
    return x;
  });
  if (c.num_single_layers > 0) {
    auto all = b.concat({text, x}, 1);
    all = b.within("single_transformer_blocks", kModuleList, [&] {
      for (std::uint64_t i = 0; i < c.num_single_layers; ++i)
        all = b.layer(i, "SingleTransformerBlock", {all, condition},
                      [&] { return single_block(b, all, condition, c); });
      return all;
    });
    x = b.slice(all, 1, text.dim(1), x.dim(1));
  }
  x = modulated(b, "norm_out", x, condition, 2).x;
  return {linear(b, "proj_out", x, c.patch_size * c.patch_size * c.out_channels, Role::projection)};
}

std::vector<Field> latent_fields() {
  using C = JointTransformerConfig;
  return {
      field<&C::sample_size>("sample_size", "Side of the latents.").between(1, kMaxSide),
      field<&C::patch_size>("patch_size", "Side of a patch of latents.").between(1, kMaxSide),
      field<&C::in_channels>("in_channels",
                             "Channels of the latents, of a token where they come "
                             "packed.")
          .between(1, kMaxWidth),
      field<&C::out_channels>("out_channels", "Channels of the result.").between(1, kMaxWidth),
      field<&C::convolve_patches>("convolve_patches",
                                  "A convolution makes tokens of latents; else they come packed."),
      field<&C::text_len>("text_len", "Tokens of the text.").between(1, kMaxSide),
      field<&C::joint_attention_dim>("joint_attention_dim", "Width of the text's tokens.")
          .between(1, kMaxWidth),
      field<&C::pooled_projection_dim>("pooled_projection_dim", "Width of the text's vector.")
          .between(1, kMaxWidth),
  };
}

std::vector<Field> joint_layer_fields() {
  using C = JointTransformerConfig;
  return {
      field<&C::num_layers>("num_layers", "Blocks with weights for text and for latents.")
          .at_most(kMaxDepth),
      field<&C::num_single_layers>("num_single_layers", "Blocks over both as one sequence.")
          .at_most(kMaxDepth),
      field<&C::attention_head_dim>("attention_head_dim", "Width of a head.").between(1, kMaxWidth),
      field<&C::num_attention_heads>("num_attention_heads", "Attention heads.")
          .between(1, kMaxWidth),
      field<&C::caption_projection_dim>("caption_projection_dim",
                                        "Width of the text inside: heads times their width.")
          .between(1, kMaxWidth),
      field<&C::guidance_embeds>("guidance_embeds", "The strength of guidance is embedded, too."),
      field<&C::last_text_only_read>("last_text_only_read",
                                     "The last block leaves the text as it is."),
      field<&C::qk_norm>("qk_norm", "Normalise queries and keys per head."),
      field<&C::dual_attention_layers>("dual_attention_layers",
                                       "Blocks with a second attention among the latents.")
          .at_most(kMaxDepth)
          .or_null(),
  };
}

}  // namespace

Architecture joint_transformer_architecture() {
  using C = JointTransformerConfig;
  auto a = architecture<C, validate, forward>(
      "joint_transformer", "Denoisers over latents and text: Stable Diffusion 3, FLUX.1.");
  a.fields = all_fields(latent_fields(), joint_layer_fields());
  return a;
}

}  // namespace vitals
