// From an image to tokens, and from tokens to classes: what every image encoder shares, written
// like timm's own parts. Knows no architecture.
#pragma once

#include "models/layers/layers.h"

#include <optional>
#include <string>
#include <string_view>

namespace vitals {

// The image a model is built for and how it is cut.
struct ImagePatches {
  Size2 img_size;
  Size2 patch_size;
  std::uint64_t in_chans = 3;
  bool dynamic_img_size = false;        // position embeddings are resized at run time
  std::optional<bool> dynamic_img_pad;  // pad the border (true), cut it (false), refuse it

  // Whole patches; a border narrower than a patch is not one.
  [[nodiscard]] Size2 grid() const;
  [[nodiscard]] std::uint64_t count() const { return grid().height * grid().width; }
  [[nodiscard]] bool filled() const;
};

// Throws Error "/img_size: ..." when the patches do not fill the image, and says which sizes they
// fill. `pads`: whether the architecture has the field dynamic_img_pad.
void check_patches(const ImagePatches& image, bool pads);

// Throws Error "/embed_dim: ..." when the heads do not divide it.
void check_heads(std::uint64_t embed_dim, std::uint64_t num_heads);

// [B, C, H, W], with zeros below and to the right where it is padded to whole patches.
[[nodiscard]] Tensor image_input(Builder& b, const ImagePatches& image);

// Learned tokens that are the same for every sample: [B, count, width].
[[nodiscard]] Tensor prefix_token(Builder& b, std::string_view name, std::uint64_t count,
                                  std::uint64_t width);

// x plus the model's own pos_embed [1, positions, C]. An image padded to more patches than that
// meets the table resized at run time.
[[nodiscard]] Tensor add_pos_embed(Builder& b, Tensor x, std::uint64_t positions);

// Keeps a random share of the patches in training (FLIP, arXiv:2212.00794); prefix tokens stay.
// Which ones are kept does not change a count, so the trace takes the first.
[[nodiscard]] Tensor patch_dropout(Builder& b, Tensor x, std::uint64_t prefix, double rate);

// Attention pooling with one learned query (SigLIP's head, arXiv:2303.15343): [B, N, C] -> [B, C].
struct AttentionPool {
  std::uint64_t num_heads = 1;
  double mlp_ratio = 4.0;
  LayerSpec norm;
  op::ActivationKind act = op::ActivationKind::gelu;
};
[[nodiscard]] Tensor attention_pool(Builder& b, Tensor x, const AttentionPool& options);

// How tokens become one vector, beside "map" (attention pooling).
[[nodiscard]] bool averages(std::string_view global_pool);  // avg, avgmax, max
// [B, N, C] -> [B, C]: the first token, or over all tokens behind the first `prefix`; '' keeps all.
[[nodiscard]] Tensor pool_tokens(Builder& b, Tensor x, std::string_view global_pool,
                                 std::uint64_t prefix);

// The rules of thumb (Graph::plain_stack) speak of stacks whose layer is 12h^2 + 13h: of others
// nothing is noted. Call it when num_tokens is known.
void note_plain_stack(Builder& b, std::uint64_t depth, std::uint64_t embed_dim,
                      std::uint64_t num_heads, double mlp_ratio);

// A Linear layer, or an Identity when there are no classes.
[[nodiscard]] Tensor classifier(Builder& b, std::string_view name, Tensor x, std::uint64_t classes);

// The norm that a spec chose, with the architecture's own where it left it open.
[[nodiscard]] LayerSpec norm_or_default(const LayerSpec& chosen, double eps = 1e-6);

}  // namespace vitals
