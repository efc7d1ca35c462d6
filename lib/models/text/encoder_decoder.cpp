#include "models/text/encoder_decoder.h"

#include "models/layers/activation_names.h"
#include "models/text/encoder_decoder_config.h"
#include "models/text/encoder_decoder_names.h"

#include <cmath>

namespace vitals {
namespace {

struct Lengths {
  std::uint64_t source = 0;
  std::uint64_t target = 0;  // decoded now
};

struct Context {
  const EncoderDecoderConfig& config;
  const EncoderDecoderNames& names;
  Lengths lengths;
  ParamId encoder_table = kNone;  // [vocab_size, d_model]
  ParamId decoder_table = kNone;
};

NormOptions norm_of(const EncoderDecoderConfig& c) {
  return {.rms = c.norm_layer.kind == "RmsNorm", .eps = c.norm_layer.eps.value_or(1e-6)};
}

StackLayer layer_of(const Context& ctx, bool decoder) {
  const auto& c = ctx.config;
  StackLayer o;
  o.names = decoder ? ctx.names.decoder_layer : ctx.names.encoder_layer;
  if (c.mlp_gated) o.names.up = ctx.names.gated_up;
  o.num_heads = decoder ? c.decoder_attention_heads : c.encoder_attention_heads;
  o.head_dim = c.head_dim.value_or(c.d_model / o.num_heads);
  o.hidden = decoder ? c.decoder_ffn_dim : c.encoder_ffn_dim;
  o.norm = norm_of(c);
  o.pre_norm = c.norm_position == "pre";
  o.scale = c.attention_scale.value_or(1.0 / std::sqrt(static_cast<double>(o.head_dim)));
  o.qkv_bias = c.attention_bias;
  o.out_bias = c.attention_bias;
  o.key_bias = c.key_bias;
  o.mlp_bias = c.mlp_bias;
  o.mlp = c.mlp_gated ? StackMlp::gated : StackMlp::plain;
  o.act = activation_kind(c.hidden_act);
  o.causal = decoder;
  o.source = decoder ? ctx.lengths.source : 0;
  o.drop = c.dropout;
  o.attn_drop = c.attention_dropout;
  o.act_drop = c.activation_dropout;
  return o;
}

// A table for the positions behind the first `past`, or their sines without one (Vaswani et al.,
// section 3.5).
Tensor add_positions(Builder& b, Tensor x, const Context& ctx, std::string_view kind,
                     std::uint64_t rows, std::uint64_t past) {
  const auto& c = ctx.config;
  if (kind == "none" || kind == "relative") return x;
  if (kind == "sinusoidal") return x + b.constant({1, x.dim(1), c.d_model});
  if (past + x.dim(1) > rows)
    fail("{} tokens are more than the {} positions of the table; a smaller --seq-len fits",
         past + x.dim(1), rows);
  const auto ids = b.constant({1, x.dim(1)}, DType::i64);
  const auto table = embedding(b, ctx.names.positions, ids, rows + c.position_offset, c.d_model,
                               Role::position_embedding);
  if (kind == "frozen") {
    auto& graph = b.graph();
    graph.params[graph.nodes[table.id()].params[0]].trainable = false;
  }
  return x + table;
}

// Token ids through a table that the stack shares, or its own.
Tensor embed(Builder& b, Tensor ids, const Context& ctx, std::uint64_t vocab, ParamId& table) {
  const auto& c = ctx.config;
  auto x =
      b.call(ctx.names.embed, {"Embedding", Role::embedding, TorchClass::embedding}, {ids}, [&] {
        if (table == kNone) table = b.param("weight", {vocab, c.d_model});
        return b.add(op::Embedding{vocab, c.d_model}, {ids}, table);
      });
  return c.scale_embedding ? x * std::sqrt(static_cast<double>(c.d_model)) : x;
}

Tensor finish_embedding(Builder& b, Tensor x, const Context& ctx) {
  if (ctx.config.embedding_norm) x = norm(b, ctx.names.embed_norm, x, norm_of(ctx.config));
  return b.dropout(x, ctx.config.dropout);
}

// nn.Conv1d over [B, channels, frames], with a kernel of 3.
Tensor conv_3(Builder& b, std::string_view name, Tensor x, std::uint64_t out,
              std::uint32_t stride) {
  return b.call(name, {"Conv1d", Role::convolution, TorchClass::conv1d}, {x}, [&] {
    const auto weight = b.param("weight", {out, x.dim(1), 3});
    const op::Conv conv{x.dim(1), out, {3}, {stride}, {1}, 1, true, 1};
    return b.add(conv, {x}, weight, b.param("bias", {out}));
  });
}

// Frames of a spectrogram to tokens, two frames a token (Radford et al. 2022, arXiv:2212.04356).
Tensor audio_tokens(Builder& b, Tensor frames, const EncoderDecoderConfig& c) {
  auto x = b.activation(conv_3(b, "conv1", frames, c.d_model, 1), op::ActivationKind::gelu);
  x = b.activation(conv_3(b, "conv2", x, c.d_model, 2), op::ActivationKind::gelu);
  return b.permute(x, {0, 2, 1});
}

StackContext stack_context(const EncoderDecoderConfig& c, std::string_view positions) {
  StackContext context;
  context.relative_buckets = positions == "relative" ? c.relative_attention_num_buckets : 0;
  context.relative_in_every_layer = c.relative_in_every_layer;
  return context;
}

Tensor finish_stack(Builder& b, Tensor x, const Context& ctx) {
  if (ctx.config.final_norm) x = norm(b, ctx.names.final_norm, x, norm_of(ctx.config));
  return ctx.config.final_dropout ? b.dropout(x, ctx.config.dropout) : x;
}

Tensor encoder(Builder& b, Tensor input, Context& ctx) {
  const auto& c = ctx.config;
  return b.call("encoder", "Encoder", {input}, [&] {
    auto x = c.num_mel_bins > 0 ? audio_tokens(b, input, c)
                                : embed(b, input, ctx, c.vocab_size, ctx.encoder_table);
    x = add_positions(b, x, ctx, c.encoder_positions, c.max_source_positions, 0);
    x = finish_embedding(b, x, ctx);
    auto context = stack_context(c, c.encoder_positions);
    x = layer_stack(b, ctx.names.layers, "EncoderLayer", x, c.encoder_layers, layer_of(ctx, false),
                    context);
    return finish_stack(b, x, ctx);
  });
}

Tensor decoder(Builder& b, Tensor ids, std::optional<Tensor> encoded, Context& ctx) {
  const auto& c = ctx.config;
  const auto past = b.options().past_len;
  return b.call("decoder", "Decoder", {ids}, [&] {
    auto x = embed(b, ids, ctx, decoder_vocab_size(c), ctx.decoder_table);
    x = add_positions(b, x, ctx, c.decoder_positions, c.max_target_positions, past);
    x = finish_embedding(b, x, ctx);
    auto context = stack_context(c, c.decoder_positions);
    context.mask = b.constant({ids.dim(1), past + ids.dim(1)});
    context.encoder_output = encoded;
    x = layer_stack(b, ctx.names.layers, "DecoderLayer", x, c.decoder_layers, layer_of(ctx, true),
                    context);
    return finish_stack(b, x, ctx);
  });
}

// Encoder and decoder; only the decoder once its cache holds what the encoder has read.
Tensor both_stacks(Builder& b, std::optional<Tensor> source, std::optional<Tensor> ids,
                   Context& ctx) {
  const auto& c = ctx.config;
  if (!ctx.names.shared.empty() && !c.decoder_vocab_size) {
    b.within(ctx.names.shared, {"Embedding", Role::embedding, TorchClass::embedding}, [&] {
      return ctx.encoder_table = b.param("weight", {c.vocab_size, c.d_model});
    });
    ctx.decoder_table = ctx.encoder_table;
  }
  std::optional<Tensor> encoded;
  if (source) encoded = encoder(b, *source, ctx);
  return ids ? decoder(b, *ids, encoded, ctx) : *encoded;
}

Tensor lm_head(Builder& b, Tensor x, const Context& ctx) {
  const auto& c = ctx.config;
  const auto vocab = decoder_vocab_size(c);
  if (c.scale_output) x = x * (1.0 / std::sqrt(static_cast<double>(c.d_model)));
  auto logits = b.call(ctx.names.head, {"Linear", Role::head, TorchClass::linear}, {x}, [&] {
    const auto weight =
        c.tie_word_embeddings ? ctx.decoder_table : b.param("weight", {vocab, c.d_model});
    return b.linear(x, vocab, weight);
  });
  if (!c.final_logits_bias) return logits;
  const auto bias = b.param("final_logits_bias", {1, vocab}, true);
  b.graph().params[bias].role = Role::head;
  b.graph().params[bias].bias = true;
  return logits + b.add(op::Parameter{{1, vocab}}, {}, bias);
}

// The last token's vector through a layer of the head (Lewis et al. 2019, arXiv:1910.13461).
Tensor classification_head(Builder& b, Tensor x, const EncoderDecoderConfig& c) {
  const auto last = b.select(x, 1, x.dim(1) - 1);
  return b.call("classification_head", "ClassificationHead", {last}, [&] {
    auto y = linear(b, "dense", b.dropout(last, c.classifier_dropout), c.d_model, Role::transform);
    y = b.dropout(b.activation(y, op::ActivationKind::tanh), c.classifier_dropout);
    return linear(b, "out_proj", y, c.num_labels, Role::classifier);
  });
}

Lengths lengths_of(const BuildOptions& options, const EncoderDecoderConfig& c) {
  Lengths l;
  l.target = options.seq_len > 0 ? options.seq_len : std::min(c.max_target_positions, kDefaultLen);
  const auto asked = options.seq_len > 0 ? options.past_len + options.seq_len : kDefaultLen;
  const auto usual =
      c.num_mel_bins > 0 ? c.max_source_positions : std::min(c.max_source_positions, asked);
  l.source = options.source_len > 0 ? options.source_len : c.source_len.value_or(usual);
  return l;
}

Tensor source_input(Builder& b, const EncoderDecoderConfig& c, std::uint64_t tokens) {
  const auto batch = b.options().batch;
  if (c.num_mel_bins > 0) return b.input({batch, c.num_mel_bins, 2 * tokens});
  return b.input({batch, tokens}, DType::i64);
}

Tensors forward(Builder& b, const EncoderDecoderConfig& c) {
  Context ctx{c, *find_encoder_decoder_names(c.naming), lengths_of(b.options(), c)};
  const bool bare = c.head == "none" || c.head == "encoder";
  const bool generating = b.options().past_len > 0;
  if (generating && c.head == "encoder")
    fail("an encoder reads a text at once; it has no tokens to follow");
  auto& graph = b.graph();
  graph.modules[0].type = bare ? "EncoderDecoder" : "EncoderDecoderWithHead";
  graph.num_tokens = c.head == "encoder" ? ctx.lengths.source : ctx.lengths.target;
  std::optional<Tensor> source;
  std::optional<Tensor> ids;
  if (!generating) source = source_input(b, c, ctx.lengths.source);
  if (c.head != "encoder") ids = b.input({b.options().batch, ctx.lengths.target}, DType::i64);
  const auto inputs = source ? *source : *ids;
  const auto x = named_call(b, bare ? "" : ctx.names.base, "EncoderDecoder", {inputs},
                            [&] { return both_stacks(b, source, ids, ctx); });
  if (bare) return {x};
  if (c.head == "lm") return {lm_head(b, x, ctx)};
  if (c.head == "classification") return {classification_head(b, x, c)};
  return {linear(b, "qa_outputs", x, 2, Role::classifier)};
}

}  // namespace

Architecture encoder_decoder_architecture() {
  auto a = architecture<EncoderDecoderConfig, validate, forward>(
      "encoder_decoder", "Encoder-decoder: the original Transformer, T5, BART, Whisper.");
  a.fields = encoder_decoder_fields();
  return a;
}

}  // namespace vitals
