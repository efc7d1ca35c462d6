#include "models/text/decoder.h"

#include "models/layers/activation_names.h"
#include "models/text/decoder_config.h"
#include "models/text/decoder_images.h"
#include "models/text/decoder_layers.h"
#include "models/text/decoder_mixers.h"

#include <cmath>

namespace vitals {
namespace {

Tensor decoder_layer(Builder& b, Tensor x, const DecoderContext& ctx, std::uint64_t index) {
  const auto& c = ctx.config;
  const auto& n = ctx.names;
  const auto normed = [&](std::string_view name, Tensor t) {
    return norm(b, name, t, decoder_norm(c));
  };
  const auto kind = layer_kind(c, index);
  const auto attention = [&](Tensor t) {
    if (kind.mixer != Mixer::attention) return decoder_recurrence(b, t, ctx, kind.mixer);
    const auto y = decoder_attention(b, t, ctx, index);
    return c.parallel_mamba ? y + decoder_recurrence(b, t, ctx, Mixer::mamba2) : y;
  };
  const auto mlp = [&](Tensor t) { return decoder_feed_forward(b, t, ctx, index); };
  const auto add = [&](Tensor residual, Tensor y) {
    return residual + (c.residual_multiplier ? y * *c.residual_multiplier : y);
  };

  if (ctx.draft_of) {
    // The first layer's residual stream is the state of the model that is drafted for.
    const auto own = index == 0 ? *ctx.draft_of : x;
    const auto both = b.concat({normed(n.attn_norm, *ctx.tokens), normed("hidden_norm", own)}, -1);
    const auto y = add(own, attention(both));
    return add(y, mlp(normed(n.mlp_norm, y)));
  }
  if (kind.mixer == Mixer::none) return add(x, mlp(normed(n.mlp_norm, x)));
  if (!kind.dense && !kind.experts) return add(x, attention(normed(n.attn_norm, x)));
  if (c.parallel_residual) {
    const auto first = normed(n.attn_norm, x);
    const auto second = c.parallel_norms == 2 ? normed(n.mlp_norm, x) : first;
    const auto attended = attention(first);
    const auto sum = attended + mlp(second);
    const bool drops = c.joint_dropout && c.resid_pdrop > 0;
    return add(x, drops ? dropout(b, "dropout", sum, c.resid_pdrop) : sum);
  }
  if (c.norm_position == "post_residual") {
    x = normed(n.attn_norm, add(x, attention(x)));
    return normed(n.mlp_norm, add(x, mlp(x)));
  }
  if (c.norm_position == "post") {
    x = add(x, normed(n.attn_post_norm, attention(x)));
    return add(x, normed(n.mlp_post_norm, mlp(x)));
  }
  if (c.norm_position == "sandwich") {
    x = add(x, normed(n.attn_post_norm, attention(normed(n.attn_norm, x))));
    auto y = mlp(normed(n.mlp_norm, x));
    if (kind.experts && c.experts_beside_dense) {
      const auto plain = normed("post_feedforward_layernorm_1", y);
      y = plain + experts_beside(b, x, ctx);
    }
    return add(x, normed(n.mlp_post_norm, y));
  }
  x = add(x, attention(normed(n.attn_norm, x)));
  return add(x, mlp(normed(n.mlp_norm, x)));
}

// The masks and position tables that the layers need, made once.
DecoderContext context_of(Builder& b, const DecoderConfig& c, const DecoderNames& n,
                          std::uint64_t s) {
  DecoderContext ctx{c, n};
  const auto past = b.options().past_len;
  const auto dtype = c.causal_mask == "fill" ? DType::boolean : DType::f32;
  for (std::uint64_t i = 0; i < c.num_hidden_layers; ++i) {
    if (layer_kind(c, i).mixer != Mixer::attention) continue;
    const auto w = window(c, i);
    auto& mask = w > 0 ? ctx.sliding_mask : ctx.mask;
    if (!mask) mask = b.constant({s, cached_tokens(past, w) + s}, dtype);
  }
  if (c.position_embedding == "rope") ctx.rope = b.constant({s, 2 * rotary_dim(c)});
  if (c.position_embedding == "rope" && c.global_head_dim)
    ctx.global_rope = b.constant({s, 2 * *c.global_head_dim});
  if (c.position_embedding == "alibi")
    ctx.alibi = b.constant({1, c.num_attention_heads, 1, past + s});
  return ctx;
}

Tensor position_embedding(Builder& b, const DecoderConfig& c, const DecoderNames& n,
                          std::uint64_t s) {
  if (b.options().past_len + s > c.max_position_embeddings)
    fail("{}: {} tokens are more than its {} learned positions; a smaller --seq-len fits",
         b.graph().model, b.options().past_len + s, c.max_position_embeddings);
  const auto ids = b.constant({1, s}, DType::i64);
  return embedding(b, n.positions, ids, c.max_position_embeddings + c.position_offset,
                   c.hidden_size, Role::position_embedding);
}

struct Embedded {
  Tensor x;
  ParamId table;  // [vocab_size, embedding_size]
};

Embedded embed(Builder& b, Tensor ids, const DecoderConfig& c, const DecoderNames& n) {
  auto x = embedding(b, n.embed, ids, c.vocab_size, embedding_size(c), Role::embedding);
  const auto table = b.graph().nodes[x.id()].params[0];
  if (c.embedding_multiplier) x = x * *c.embedding_multiplier;
  if (c.embedding_norm) x = norm(b, n.embed_norm, x, decoder_norm(c));
  if (embedding_size(c) != c.hidden_size)
    x = linear(b, n.project_in, x, c.hidden_size, Role::projection, false);
  if (c.position_embedding == "learned") x = x + position_embedding(b, c, n, ids.dim(1));
  if (c.embd_pdrop > 0) x = dropout(b, "drop", x, c.embd_pdrop);
  return {x, table};
}

// What every layer gets of each token beside the residual stream, [B, s, layers, width]: a table of
// its own, and a projection of the token's embedding (Gemma 3n).
Tensor per_layer_inputs(Builder& b, Tensor ids, Tensor x, const DecoderConfig& c) {
  const auto width = c.hidden_size_per_layer_input;
  const auto all = c.num_hidden_layers * width;
  const auto rows = c.vocab_size_per_layer_input.value_or(c.vocab_size);
  const Shape shape{ids.dim(0), ids.dim(1), c.num_hidden_layers, width};
  const auto table = embedding(b, "embed_tokens_per_layer", ids, rows, all, Role::embedding) *
                     std::sqrt(static_cast<double>(width));
  auto y = linear(b, "per_layer_model_projection", x, all, Role::projection, false) *
           (1.0 / std::sqrt(static_cast<double>(c.hidden_size)));
  y = norm(b, "per_layer_projection_norm", b.reshape(y, shape), decoder_norm(c));
  return (y + b.reshape(table, shape)) * std::sqrt(0.5);
}

// x + norm(project(act(gate(x)) * input)).
Tensor add_per_layer_input(Builder& b, Tensor x, Tensor input, const DecoderConfig& c) {
  auto y = linear(b, "per_layer_input_gate", x, input.dim(-1), Role::gate, false);
  y = b.activation(y, activation_kind(c.hidden_act)) * input;
  y = linear(b, "per_layer_projection", y, c.hidden_size, Role::down, false);
  return x + norm(b, "post_per_layer_input_norm", y, decoder_norm(c));
}

// [B, s, h] with an image's tokens in place of the first ones.
Tensor with_image(Builder& b, Tensor x, Tensor image) {
  const auto n = std::min(image.dim(1), x.dim(1));
  const auto seen = b.slice(image, 1, 0, n);
  if (n == x.dim(1)) return seen;
  const auto text = b.slice(x, 1, n, x.dim(1) - n);
  return b.concat({seen, text}, 1);
}

// What an image adds to its tokens behind an early layer.
Tensor with_deep_features(Builder& b, Tensor x, Tensor features) {
  const auto n = std::min(features.dim(1), x.dim(1));
  const auto here = b.slice(x, 1, 0, n);
  const auto added = here + b.slice(features, 1, 0, n);
  return with_image(b, x, added);
}

Embedded stack(Builder& b, Tensor ids, const DecoderConfig& c, const DecoderNames& n,
               const std::optional<ImageTokens>& image) {
  auto [embedded, table] = embed(b, ids, c, n);
  Tensor x = image ? with_image(b, embedded, image->tokens) : embedded;
  auto ctx = context_of(b, c, n, ids.dim(1));
  SharedKeys shared;
  ctx.shared = &shared;
  if (c.drafts) {
    const auto states = b.input({ids.dim(0), ids.dim(1), 3 * c.hidden_size});
    ctx.draft_of = linear(b, "fc", states, c.hidden_size, Role::projection, false);
    ctx.tokens = x;
  }
  std::optional<Tensor> inputs;
  if (c.hidden_size_per_layer_input > 0) inputs = per_layer_inputs(b, ids, x, c);
  x = b.within(n.layers, kModuleList, [&] {
    auto y = x;
    for (std::uint64_t i = 0; i < c.num_hidden_layers; ++i) {
      y = b.layer(i, "DecoderLayer", {y}, [&] {
        const auto z = decoder_layer(b, y, ctx, i);
        return inputs ? add_per_layer_input(b, z, b.select(*inputs, 2, i), c) : z;
      });
      if (image && i < image->deep.size()) y = with_deep_features(b, y, image->deep[i]);
    }
    return y;
  });
  if (c.final_norm) x = norm(b, n.final_norm, x, decoder_norm(c));
  if (embedding_size(c) != c.hidden_size)
    x = linear(b, n.project_out, x, embedding_size(c), Role::projection, false);
  return {x, table};
}

Tensor lm_head(Builder& b, const Embedded& hidden, const DecoderConfig& c, const DecoderNames& n) {
  auto logits = b.call(n.head, {"Linear", Role::head, TorchClass::linear}, {hidden.x}, [&] {
    const auto words = c.draft_vocab_size.value_or(c.vocab_size);
    const auto weight =
        c.tie_word_embeddings ? hidden.table : b.param("weight", {words, hidden.x.dim(-1)});
    return b.linear(hidden.x, words, weight, c.lm_head_bias ? b.param("bias", {words}) : kNone);
  });
  if (c.logits_multiplier) logits = logits * *c.logits_multiplier;
  if (!c.final_logit_softcapping) return logits;
  const double cap = *c.final_logit_softcapping;
  return b.activation(logits * (1.0 / cap), op::ActivationKind::tanh) * cap;
}

// The rules of thumb speak of stacks whose layer is 12h^2 + 13h.
std::optional<PlainStack> plain_stack(const DecoderConfig& c, std::uint64_t tokens) {
  const bool square = c.num_attention_heads * head_dim(c) == c.hidden_size &&
                      kv_heads(c) == c.num_attention_heads && !c.kv_lora_rank;
  const bool plain =
      !c.mlp_gated && intermediate_size(c) == 4 * c.hidden_size && c.num_experts == 0;
  if (!square || !plain) return std::nullopt;
  return PlainStack{c.num_hidden_layers, c.hidden_size, c.num_attention_heads, tokens,
                    c.vocab_size};
}

std::uint64_t seq_len_of(const BuildOptions& options, const DecoderConfig& c) {
  return options.seq_len > 0 ? options.seq_len
                             : std::min(c.max_position_embeddings, kDefaultSeqLen);
}

// "model.decoder" with a head, "decoder" without one; "model" and nothing.
std::string_view stack_name(const DecoderNames& n, bool with_head) {
  if (with_head) return n.stack;
  const auto dot = n.stack.find('.');
  return dot == std::string_view::npos ? std::string_view() : n.stack.substr(dot + 1);
}

}  // namespace

Tensors decoder_forward(Builder& b, const DecoderConfig& c, const ReadImage& read_image) {
  const auto n = decoder_names(c.naming, c.names);
  const auto s = seq_len_of(b.options(), c);
  const bool with_head = c.head != "none";
  auto& graph = b.graph();
  graph.modules[0].type = c.head == "lm" ? "DecoderForCausalLM" : "Decoder";
  graph.num_tokens = s;
  graph.plain_stack = plain_stack(c, s);
  if (n.adapts_feed_forward)
    graph.adapter_roles.insert(graph.adapter_roles.end(), {Role::up, Role::down});
  const auto ids = b.input({b.options().batch, s}, DType::i64);
  std::optional<ImageTokens> image;
  if (read_image) image = read_image();
  std::optional<Embedded> hidden;
  if (const auto name = stack_name(n, with_head); name.empty())
    hidden = stack(b, ids, c, n, image);
  else
    b.call(name, "Decoder", {ids}, [&] {
      hidden = stack(b, ids, c, n, image);
      return hidden->x;
    });
  if (c.head == "none") return {hidden->x};
  if (c.head == "lm" && b.options().last_logits) hidden->x = b.slice(hidden->x, 1, s - 1, 1);
  if (c.head == "lm") return {lm_head(b, *hidden, c, n)};
  if (c.head == "token_classification") {
    const auto x = dropout(b, "dropout", hidden->x, c.classifier_dropout);
    return {linear(b, n.token_classifier, x, c.num_labels, Role::classifier)};
  }
  return {b.select(linear(b, "score", hidden->x, c.num_labels, Role::classifier, false), 1, s - 1)};
}

namespace {

Tensors forward(Builder& b, const DecoderConfig& c) { return decoder_forward(b, c, {}); }

}  // namespace

Architecture decoder_architecture() {
  auto a = architecture<DecoderConfig, validate, forward>(
      "decoder", "Decoder-only language model: GPT-2, Llama, Mixtral, DeepSeek-V3 and their kin.");
  a.fields = decoder_fields();
  a.field_aliases = decoder_field_aliases();
  return a;
}

}  // namespace vitals
