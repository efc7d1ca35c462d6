#include "models/audio/speech_encoder.h"

#include "models/layers/activation_names.h"
#include "models/layers/layers.h"

#include <cmath>

namespace vitals {
namespace {

void validate(const SpeechEncoderConfig& c) {
  if (c.conv_dim.empty() || c.conv_dim.size() != c.conv_kernel.size() ||
      c.conv_dim.size() != c.conv_stride.size())
    fail("/conv_dim: {} convolutions, but conv_kernel has {} and conv_stride {}", c.conv_dim.size(),
         c.conv_kernel.size(), c.conv_stride.size());
  if (c.hidden_size % c.num_attention_heads != 0)
    fail("/hidden_size: {} is not divisible by num_attention_heads {}", c.hidden_size,
         c.num_attention_heads);
  if (c.hidden_size % c.position_groups != 0)
    fail("/hidden_size: {} is not divisible by position_groups {}", c.hidden_size,
         c.position_groups);
  if (c.codevector_dim % c.codevector_groups != 0)
    fail("/codevector_dim: {} is not divisible by codevector_groups {}", c.codevector_dim,
         c.codevector_groups);
  (void)activation_kind(c.hidden_act);
}

NormOptions norm_options(const SpeechEncoderConfig& c) { return {.eps = c.layer_norm_eps}; }

Tensor sound_conv(Builder& b, Tensor x, std::uint64_t out, op::Conv conv, ParamId weight,
                  ParamId bias) {
  conv.in = x.dim(1);
  conv.out = out;
  conv.spatial_dims = 1;
  conv.bias = bias != kNone;
  return b.add(conv, {x}, weight, bias);
}

// The samples that the convolutions make so many frames of.
std::uint64_t samples_of(std::uint64_t frames, const SpeechEncoderConfig& c) {
  Count n = frames;
  for (auto i = c.conv_dim.size(); i-- > 0;)
    n = Count(n.value() - 1) * c.conv_stride[i] + c.conv_kernel[i];
  return n.value();
}

// A norm over the channels of [B, C, T]: of each position, or of each channel by itself.
Tensor channel_norm(Builder& b, Tensor x, const SpeechEncoderConfig& c) {
  if (c.conv_layer_norms)
    return b.transpose(norm(b, "layer_norm", b.transpose(x, 1, 2), NormOptions{.eps = 1e-5}), 1, 2);
  return group_norm(b, "layer_norm", x, x.dim(1), 1e-5);
}

// [B, samples] -> [B, T, conv_dim]
Tensor features(Builder& b, Tensor sound, const SpeechEncoderConfig& c) {
  return b.call("feature_extractor", "FeatureEncoder", {sound}, [&] {
    auto x = b.reshape(sound, {sound.dim(0), 1, sound.dim(1)});
    for (std::size_t i = 0; i < c.conv_dim.size(); ++i)
      x = b.call("conv_layers." + std::to_string(i), "ConvLayer", {x}, [&] {
        const auto out = c.conv_dim[i];
        auto y = b.call("conv", {"Conv1d", Role::convolution, TorchClass::conv1d}, {x}, [&] {
          op::Conv conv;
          conv.kernel[0] = static_cast<std::uint32_t>(c.conv_kernel[i]);
          conv.stride[0] = static_cast<std::uint32_t>(c.conv_stride[i]);
          const auto weight = b.param("weight", {out, x.dim(1), c.conv_kernel[i]});
          return sound_conv(b, x, out, conv, weight, c.conv_bias ? b.param("bias", {out}) : kNone);
        });
        if (c.conv_layer_norms || i == 0) y = channel_norm(b, y, c);
        return activation(b, "activation", y, op::ActivationKind::gelu);
      });
    return b.transpose(x, 1, 2);
  });
}

// A wide convolution in groups whose weight is stored as direction and length: the positions.
Tensor with_positions(Builder& b, Tensor x, const SpeechEncoderConfig& c) {
  return x + b.call("pos_conv_embed", "PositionalConvEmbedding", {x}, [&] {
    const auto width = x.dim(2);
    const auto k = c.position_kernel;
    auto y = b.transpose(x, 1, 2);
    y = b.call("conv", {"Conv1d", Role::convolution, TorchClass::conv1d}, {y}, [&] {
      op::Conv conv;
      conv.kernel[0] = static_cast<std::uint32_t>(k);
      conv.padding[0] = static_cast<std::uint32_t>(k / 2);
      conv.groups = c.position_groups;
      const auto weight = b.within("parametrizations.weight", "ParametrizationList", [&] {
        (void)b.param("original0", {1, 1, k}, Role::convolution);
        return b.param("original1", {width, width / c.position_groups, k}, Role::convolution);
      });
      return sound_conv(b, y, width, conv, weight, b.param("bias", {width}));
    });
    if (k % 2 == 0) y = b.slice(y, 2, 0, y.dim(2) - 1);
    return b.transpose(activation(b, "activation", y, op::ActivationKind::gelu), 1, 2);
  });
}

// WavLM's bias: a table of bucketed distances that the first layer holds, [1, heads, T, T].
Tensor position_bias(Builder& b, std::uint64_t tokens, const SpeechEncoderConfig& c) {
  const auto pairs = (Count(tokens) * tokens).value();
  const auto rows = b.call("rel_attn_embed", {"Embedding", Role::position_bias}, {}, [&] {
    const auto table =
        b.parameter("weight", {c.relative_buckets, c.num_attention_heads}, Role::position_bias);
    const auto buckets = c.relative_buckets;
    return b.add(op::Gather{pairs,
                            [tokens, buckets](std::span<std::int64_t> which) {
                              for (std::size_t i = 0; i < which.size(); ++i) {
                                const auto t = static_cast<std::int64_t>(tokens);
                                const auto at = static_cast<std::int64_t>(i);
                                const auto far = std::abs(at % t - at / t);
                                which[i] = std::min(far, static_cast<std::int64_t>(buckets) - 1);
                              }
                            }},
                 {table});
  });
  const auto square = b.reshape(rows, {tokens, tokens, c.num_attention_heads});
  return b.reshape(b.permute(square, {2, 0, 1}), {1, c.num_attention_heads, tokens, tokens});
}

// That bias times a gate that each head computes from its own part of the input.
Tensor gated_bias(Builder& b, Tensor x, Tensor bias, const SpeechEncoderConfig& c) {
  const auto heads = c.num_attention_heads;
  auto gate = linear(b, "gru_rel_pos_linear", heads_of(b, x, heads), 8, Role::position_bias);
  gate = b.reshape(gate, {x.dim(0), heads, x.dim(1), 2, 4});
  gate = b.add(op::Reduce{op::ReduceKind::sum, -1}, {gate});
  gate = b.activation(gate, op::ActivationKind::sigmoid);
  const auto first = b.slice(gate, -1, 0, 1);
  const auto second = b.slice(gate, -1, 1, 1);
  const auto factor = b.parameter("gru_rel_pos_const", {1, heads, 1, 1}, Role::position_bias);
  return first * (second * factor) * bias + bias;
}

Tensor attention(Builder& b, Tensor x, std::optional<Tensor>& bias, const SpeechEncoderConfig& c) {
  const auto heads = c.num_attention_heads;
  return b.call("attention", attention_type("Attention", heads, heads), {x}, [&] {
    AttentionCore core{.scale = 1.0 / std::sqrt(static_cast<double>(c.hidden_size / heads)),
                       .scale_query = true,
                       .attn_drop = c.attention_dropout};
    if (c.relative_buckets > 0) {
      if (!bias) bias = position_bias(b, x.dim(1), c);
      core.bias = gated_bias(b, x, *bias, c);
    }
    auto projected = [&](std::string_view name, Role role) {
      return heads_of(b, linear(b, name, x, c.hidden_size, role), heads);
    };
    const auto q = projected("q_proj", Role::query);
    const auto k = projected("k_proj", Role::key);
    const auto v = projected("v_proj", Role::value);
    const auto y = merge_heads(b, attention_core(b, q, k, v, core));
    return linear(b, "out_proj", y, c.hidden_size, Role::attention_output);
  });
}

Tensor feed_forward(Builder& b, Tensor x, const SpeechEncoderConfig& c) {
  return b.call("feed_forward", {"FeedForward", Role::feed_forward}, {x}, [&] {
    auto y = linear(b, "intermediate_dense", x, c.intermediate_size, Role::up);
    y = activation(b, "intermediate_act_fn", y, activation_kind(c.hidden_act));
    y = linear(b, "output_dense", b.dropout(y, c.activation_dropout), c.hidden_size, Role::down);
    return b.dropout(y, c.hidden_dropout);
  });
}

Tensor layer(Builder& b, Tensor x, std::optional<Tensor>& bias, const SpeechEncoderConfig& c) {
  auto normed = [&](std::string_view name, Tensor y) { return norm(b, name, y, norm_options(c)); };
  auto attended = [&](Tensor y) { return b.dropout(attention(b, y, bias, c), c.hidden_dropout); };
  if (c.pre_norm) {
    x = x + attended(normed("layer_norm", x));
    return x + feed_forward(b, normed("final_layer_norm", x), c);
  }
  x = normed("layer_norm", x + attended(x));
  return normed("final_layer_norm", x + feed_forward(b, x, c));
}

struct SpeechOutput {
  Tensor features;  // [B, T, conv_dim], normed
  Tensor tokens;    // [B, T, hidden]
};

SpeechOutput base_model(Builder& b, Tensor sound, const SpeechEncoderConfig& c) {
  if (c.mask_embedding) (void)b.param("masked_spec_embed", {c.hidden_size}, Role::token);
  const auto heard = features(b, sound, c);
  auto normed = heard;
  auto x = b.call("feature_projection", "FeatureProjection", {heard}, [&] {
    if (c.projection_norm) normed = norm(b, "layer_norm", heard, norm_options(c));
    const auto y = linear(b, "projection", normed, c.hidden_size, Role::projection);
    return b.dropout(y, c.hidden_dropout);
  });
  b.graph().num_tokens = x.dim(1);
  x = b.call("encoder", "Encoder", {x}, [&] {
    auto y = with_positions(b, x, c);
    if (!c.pre_norm) y = norm(b, "layer_norm", y, norm_options(c));
    y = b.dropout(y, c.hidden_dropout);
    std::optional<Tensor> bias;
    y = b.within("layers", kModuleList, [&] {
      for (std::uint64_t i = 0; i < c.num_hidden_layers; ++i)
        y = b.layer(i, "EncoderLayer", {y}, [&] { return layer(b, y, bias, c); });
      return y;
    });
    return c.pre_norm ? norm(b, "layer_norm", y, norm_options(c)) : y;
  });
  return {normed, x};
}

// The targets of pretraining: codebook entries that a Gumbel softmax chooses.
Tensors pretraining(Builder& b, const SpeechOutput& out, const SpeechEncoderConfig& c) {
  const auto choices = c.codevector_groups * c.codevectors_per_group;
  const auto targets = b.call("quantizer", "GumbelVectorQuantizer", {out.features}, [&] {
    const auto per_group = c.codevector_dim / c.codevector_groups;
    const auto codes = b.parameter("codevectors", {1, choices, per_group}, Role::other);
    auto x = linear(b, "weight_proj", out.features, choices, Role::projection);
    const auto rows = x.dim(0) * x.dim(1);
    x = b.softmax(b.reshape(x, {rows, c.codevector_groups, c.codevectors_per_group}));
    const auto chosen = b.reshape(x, {rows, choices, 1}) * codes;
    const auto summed =
        b.add(op::Reduce{op::ReduceKind::sum, 2},
              {b.reshape(chosen, {rows, c.codevector_groups, c.codevectors_per_group, per_group})});
    return b.reshape(summed, {out.features.dim(0), out.features.dim(1), c.codevector_dim});
  });
  return {linear(b, "project_hid", out.tokens, c.proj_codevector_dim, Role::projection),
          linear(b, "project_q", targets, c.proj_codevector_dim, Role::projection)};
}

Tensors forward(Builder& b, const SpeechEncoderConfig& c) {
  const bool bare = c.head == "none";
  b.graph().modules[0].type = bare ? "SpeechModel" : "SpeechModelWithHead";
  const auto frames = b.options().seq_len;
  const auto sound = b.input({b.options().batch, frames > 0 ? samples_of(frames, c) : c.samples});
  if (bare) return {base_model(b, sound, c).tokens};
  std::optional<SpeechOutput> out;
  (void)b.call(c.encoder_name, "SpeechModel", {sound}, [&] {
    out = base_model(b, sound, c);
    return out->tokens;
  });
  const auto x = out->tokens;
  if (c.head == "pretraining") return pretraining(b, *out, c);
  if (c.head == "ctc") return {linear(b, "lm_head", x, c.vocab_size, Role::head)};
  if (c.weighted_layer_sum) (void)b.param("layer_weights", {c.num_hidden_layers + 1}, Role::other);
  if (c.head == "frames") return {linear(b, "classifier", x, c.num_labels, Role::classifier)};
  const auto y = linear(b, "projector", x, c.classifier_proj_size, Role::transform);
  return {linear(b, "classifier", b.mean(y, 1), c.num_labels, Role::classifier)};
}

std::vector<Field> sound_fields() {
  using C = SpeechEncoderConfig;
  return {
      field<&C::samples>("samples",
                         "Samples of sound, 16,000 a second; --seq-len asks for so many frames "
                         "instead.")
          .between(1, 1e9),
      field<&C::conv_dim>("conv_dim", "Channels of the convolutions over the sound.")
          .between(1, kMaxWidth),
      field<&C::conv_kernel>("conv_kernel", "Their kernels.").between(1, kMaxSide),
      field<&C::conv_stride>("conv_stride", "Their strides.").between(1, kMaxSide),
      field<&C::conv_bias>("conv_bias", "Bias of these convolutions."),
      field<&C::conv_layer_norms>("conv_layer_norms",
                                  "A LayerNorm behind each; else a GroupNorm behind the first."),
      field<&C::projection_norm>("projection_norm", "A norm before the projection to hidden_size."),
      field<&C::position_kernel>("position_kernel",
                                 "Kernel of the convolution that gives positions.")
          .between(1, kMaxSide),
      field<&C::position_groups>("position_groups", "Its groups.").between(1, kMaxWidth),
      field<&C::mask_embedding>("mask_embedding", "A learned vector for masked positions."),
  };
}

std::vector<Field> speech_layer_fields() {
  using C = SpeechEncoderConfig;
  return {
      field<&C::hidden_size>("hidden_size", "Width.").between(1, kMaxWidth),
      field<&C::num_hidden_layers>("num_hidden_layers", "Number of layers.").at_most(kMaxDepth),
      field<&C::num_attention_heads>("num_attention_heads", "Attention heads.")
          .between(1, kMaxWidth),
      field<&C::intermediate_size>("intermediate_size", "Features inside the MLP.")
          .between(1, kMaxWidth),
      field<&C::hidden_act>("hidden_act", "Activation of the MLP.").one_of(activation_names()),
      field<&C::pre_norm>("pre_norm", "Norms before attention and MLP."),
      field<&C::layer_norm_eps>("layer_norm_eps", "Epsilon of the norms."),
      field<&C::relative_buckets>("relative_buckets",
                                  "Buckets of WavLM's gated relative positions; 0: none.")
          .at_most(kMaxWidth),
      field<&C::hidden_dropout>("hidden_dropout", "Dropout behind attention and MLP.").below(1),
      field<&C::attention_dropout>("attention_dropout", "Dropout of the attention weights.")
          .below(1),
      field<&C::activation_dropout>("activation_dropout", "Dropout inside the MLP.").below(1),
  };
}

std::vector<Field> speech_head_fields() {
  using C = SpeechEncoderConfig;
  return {
      field<&C::encoder_name>("encoder_name", "Name of the encoder beside a head.")
          .one_of({"wav2vec2", "hubert", "wavlm", "data2vec_audio"}),
      field<&C::head>("head", "What stands on the encoder.")
          .one_of({"none", "ctc", "pretraining", "classification", "frames"}),
      field<&C::vocab_size>("vocab_size", "Letters of the CTC head.").between(1, 1e9),
      field<&C::num_labels>("num_labels", "Classes of a classifier.").between(1, 1e9),
      field<&C::classifier_proj_size>("classifier_proj_size", "Width before the classifier.")
          .between(1, kMaxWidth),
      field<&C::weighted_layer_sum>("weighted_layer_sum", "A learned weight for every layer."),
      field<&C::codevector_groups>("codevector_groups", "Codebooks of pretraining.")
          .between(1, kMaxWidth),
      field<&C::codevectors_per_group>("codevectors_per_group", "Entries of each.")
          .between(1, kMaxWidth),
      field<&C::codevector_dim>("codevector_dim", "Width of a chosen entry of all codebooks.")
          .between(1, kMaxWidth),
      field<&C::proj_codevector_dim>("proj_codevector_dim", "Width in which targets are compared.")
          .between(1, kMaxWidth),
  };
}

}  // namespace

Architecture speech_encoder_architecture() {
  using C = SpeechEncoderConfig;
  auto a = architecture<C, validate, forward>("speech_encoder",
                                              "Encoders of raw sound: wav2vec 2.0, HuBERT, WavLM.");
  a.fields = all_fields(sound_fields(), speech_layer_fields(), speech_head_fields());
  return a;
}

}  // namespace vitals
