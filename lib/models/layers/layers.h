// The layers that architectures share, written like PyTorch modules: a name, the input, the sizes.
// Each is one module call under its own name. Knows no model.
#pragma once

#include "graph/builder.h"
#include "models/field.h"

#include <optional>
#include <string_view>
#include <vector>

namespace vitals {

// nn.Linear: [..., in] -> [..., out]. Every matrix states its role.
Tensor linear(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role,
              bool bias = true);
// GPT-2's Conv1D: a Linear whose weight is stored as [in, out].
Tensor conv1d(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role);
// nn.Embedding: integer ids [...] -> [..., dim]
Tensor embedding(Builder& b, std::string_view name, Tensor ids, std::uint64_t rows,
                 std::uint64_t dim, Role role);

// nn.Conv2d over [B, C, H, W], kernel = stride (patch embedding) or as given.
struct Conv2dOptions {
  Size2 kernel;
  Size2 stride;
  Size2 padding{0, 0};
  std::uint64_t groups = 1;
  bool bias = true;
  Role role = Role::convolution;
};
Tensor conv2d(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
              const Conv2dOptions& options);
// The one with a kernel of 1x1: a Linear layer over the channels of [B, C, H, W].
Tensor conv1x1(Builder& b, std::string_view name, Tensor x, std::uint64_t out, Role role,
               bool bias = true);

// nn.LayerNorm or RmsNorm over the last dimension.
struct NormOptions {
  bool rms = false;
  double eps = 1e-6;
  bool affine = true;
  bool bias = true;  // of an affine LayerNorm
};
Tensor norm(Builder& b, std::string_view name, Tensor x, const NormOptions& options);
// The same by a spec's words, or Affine (ResMLP's alpha * x + beta).
Tensor norm(Builder& b, std::string_view name, Tensor x, const LayerSpec& layer);
// timm's LayerNorm2d: over the channels of [B, C, H, W], whose memory then has the channels last.
Tensor norm2d(Builder& b, std::string_view name, Tensor x, const NormOptions& options);
// The same where it is wanted; else x, noted as the nn.Identity that timm has in its place.
// nn.GroupNorm with weight and bias over the channels of [B, C, ...]: each group of channels of a
// sample by itself. groups divides C.
Tensor group_norm(Builder& b, std::string_view name, Tensor x, std::uint64_t groups, double eps,
                  std::string_view type = "GroupNorm");
Tensor norm_or_identity(Builder& b, std::string_view name, Tensor x, bool wanted,
                        const LayerSpec& layer);

// x with zeros before and after it along one axis (F.pad).
Tensor pad_zeros(Builder& b, Tensor x, int axis, std::uint64_t before, std::uint64_t after);

// nn.GELU and its kin, as a module of their own.
Tensor activation(Builder& b, std::string_view name, Tensor x, op::ActivationKind kind);

// ConvNeXt V2's GlobalResponseNorm over [B, ..., C], or over [B, C, H, W] with `channels_first`.
Tensor global_response_norm(Builder& b, std::string_view name, Tensor x, bool channels_first);

// nn.Dropout: the module is always called; it acts only in training and with a rate.
Tensor dropout(Builder& b, std::string_view name, Tensor x, double rate);

// Stochastic depth, DropPath: nn.Identity where its rate is 0.
Tensor drop_path(Builder& b, std::string_view name, Tensor x, double rate);

Tensor identity(Builder& b, std::string_view name, Tensor x);

// gamma * x with a learned vector (CaiT, arXiv:2103.17239).
Tensor layer_scale(Builder& b, std::string_view name, Tensor x);

// gamma * x with a learned vector of the current module itself, under this name.
Tensor scaled_by(Builder& b, std::string_view name, Tensor x);

// softmax(q k^T * scale + bias) v, over [B, heads, tokens, head_dim] (Vaswani et al. 2017, eq. 1).
// Written out as its real ops, or one fused op when the build options say so.
struct AttentionCore {
  double scale = 1.0;
  bool scale_query = false;         // q * scale before the product, rather than the scores
  std::optional<Tensor> bias = {};  // broadcasts to [B, heads, tokens, keys]
  // Swin's mask [windows, tokens, tokens]; the batch is then samples * windows.
  std::optional<Tensor> window_mask = {};
  double attn_drop = 0.0;
  std::string_view drop_name = "attn_drop";  // the dropout's module; empty: there is none
  // cap * tanh(scores / cap), as Gemma 2 does (arXiv:2408.00118); 0: none
  double softcap = 0.0;
  std::optional<Tensor> mask = {};   // causal, [tokens, keys]: boolean to fill, else to add
  bool repeat_kv = false;            // with BuildOptions::repeat_kv, for fused attention, too
  std::optional<Tensor> sinks = {};  // [heads]: one more key per head, which has no value
};
Tensor attention_core(Builder& b, Tensor q, Tensor k, Tensor v, const AttentionCore& options);

// [B, kv_heads, tokens, d] -> [B, kv_heads * times, tokens, d], each head repeated (repeat_kv).
[[nodiscard]] Tensor repeat_heads(Builder& b, Tensor x, std::uint64_t times);

// The q, k and v of a joint projection [B, N, 3 * heads * head_dim] as [B, heads, N, head_dim]
// each.
struct Qkv {
  Tensor q, k, v;
};
[[nodiscard]] Qkv split_heads(Builder& b, Tensor qkv, std::uint64_t heads);
// BEiT's joint projection [B, N, 3 * width]: queries and values have a bias (q_bias, v_bias), keys
// have none, so that timm applies the weight of `qkv` with the three joined.
[[nodiscard]] Tensor qkv_without_k_bias(Builder& b, Tensor x, std::uint64_t width, bool bias);
// x over the length of its last dimension (F.normalize).
[[nodiscard]] Tensor unit_length(Builder& b, Tensor x);
// [B, N, heads * d] -> [B, heads, N, d]
[[nodiscard]] Tensor heads_of(Builder& b, Tensor x, std::uint64_t heads);
// [B, heads, N, d] -> [B, N, heads * d]
[[nodiscard]] Tensor merge_heads(Builder& b, Tensor x);

// timm's feed-forward layers. `kind` is Mlp, GluMlp, SwiGLU, SwiGLUPacked or GlobalResponseNormMlp.
// `act` is the activation of each of them, whatever its name promises and whatever `kind` says:
// timm's blocks hand theirs to the layer that they make, and it takes the place of the layer's own.
struct MlpOptions {
  LayerSpec kind{"Mlp", {}, {}, {}, {}};
  std::uint64_t hidden = 0;
  op::ActivationKind act = op::ActivationKind::gelu;
  bool bias = true;
  bool conv = false;  // of 1x1 convolutions over [B, C, H, W]; Mlp and GlobalResponseNormMlp alone
  std::optional<LayerSpec> norm = {};  // inside, before fc2
  double drop = 0.0;
  std::optional<double> hidden_drop = {};  // behind the activation; null: the same
};
Tensor mlp(Builder& b, std::string_view name, Tensor x, const MlpOptions& options);

// Image to tokens: a convolution with stride = kernel, then [B, C, h, w] -> [B, h*w, C], or
// [B, h, w, C] when the grid is kept.
struct PatchEmbedOptions {
  std::string_view name = "patch_embed";
  Size2 patch;
  std::uint64_t embed_dim = 0;
  bool bias = true;
  std::optional<LayerSpec> norm = {};
  bool keep_grid = false;
};
Tensor patch_embed(Builder& b, Tensor image, const PatchEmbedOptions& options);

// Stochastic depth's linear decay rule: block i of n drops with rate * i / (n - 1)
// (Huang et al. 2016, arXiv:1603.09382).
[[nodiscard]] double drop_path_rate_at(double rate, std::uint64_t block, std::uint64_t blocks);

// int(width * ratio), as Python truncates it; throws Error when nothing is left or it is absurd.
[[nodiscard]] std::uint64_t hidden_features(std::uint64_t width, double ratio);

}  // namespace vitals
