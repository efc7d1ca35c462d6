#include "models/towers/text_tower.h"

#include "core/divisors.h"
#include "models/layers/activation_names.h"
#include "models/towers/image_tower_names.h"
#include "models/towers/text_tower_fields.h"

#include <cmath>

namespace vitals {
namespace {

NormOptions norm_of(const TextTowerConfig& c) { return {.eps = c.norm_layer.eps.value_or(1e-5)}; }

StackLayer layer_of(const TextTowerConfig& c) {
  StackLayer o;
  o.names = kClipLayer;
  o.num_heads = c.num_attention_heads;
  o.head_dim = c.hidden_size / c.num_attention_heads;
  o.hidden = c.intermediate_size;
  o.norm = norm_of(c);
  o.pre_norm = true;
  o.scale = 1.0 / std::sqrt(static_cast<double>(o.head_dim));
  o.act = activation_kind(c.hidden_act);
  o.attn_drop = c.attention_dropout;
  return o;
}

Tensor embeddings(Builder& b, Tensor ids, const TextTowerConfig& c) {
  return b.call("embeddings", "Embeddings", {ids}, [&] {
    const auto s = ids.dim(1);
    if (s > c.max_position_embeddings)
      fail("{} tokens are more than the {} learned positions; a smaller --seq-len fits", s,
           c.max_position_embeddings);
    b.buffer("position_ids", {1, c.max_position_embeddings}, DType::i64);
    const auto tokens =
        embedding(b, "token_embedding", ids, c.vocab_size, c.hidden_size, Role::embedding);
    const auto places = b.constant({1, s}, DType::i64);
    return tokens + embedding(b, "position_embedding", places, c.max_position_embeddings,
                              c.hidden_size, Role::position_embedding);
  });
}

Tensors forward(Builder& b, const TextTowerConfig& c) {
  if (b.options().past_len > 0) fail("an encoder reads a text at once; it has no tokens to follow");
  const auto ids = text_tower_input(b, c);
  auto& graph = b.graph();
  graph.modules[0].type = c.head == "none" ? "TextTower" : "TextTowerWithProjection";
  graph.num_tokens = ids.dim(1);
  const auto pooled = text_tower(b, ids, c);
  if (c.head == "none") return {pooled};
  return {linear(b, "text_projection", pooled, c.projection_dim, Role::projection, false)};
}

}  // namespace

void validate(const TextTowerConfig& c) {
  if (c.hidden_size % c.num_attention_heads != 0)
    fail("/hidden_size: {} is not divisible by num_attention_heads {}; {} heads divide it",
         c.hidden_size, c.num_attention_heads,
         nearest_divisors(c.hidden_size, c.num_attention_heads));
}

// The vector of the last token stands for the text: of the one that ends it, wherever that is.
Tensor text_tower(Builder& b, Tensor ids, const TextTowerConfig& c) {
  return b.call("text_model", "TextTower", {ids}, [&] {
    auto x = embeddings(b, ids, c);
    StackContext context;
    if (c.causal) context.mask = b.constant({ids.dim(1), ids.dim(1)});
    x = layer_stack(b, "encoder.layers", "EncoderLayer", x, c.num_hidden_layers, layer_of(c),
                    context);
    x = b.select(norm(b, "final_layer_norm", x, norm_of(c)), 1, ids.dim(1) - 1);
    return c.pooled_projection ? linear(b, "head", x, c.projection_dim, Role::projection) : x;
  });
}

Tensor text_tower_input(Builder& b, const TextTowerConfig& c) {
  const auto asked = b.options().seq_len;
  return b.input({b.options().batch, asked > 0 ? asked : c.max_position_embeddings}, DType::i64);
}

Architecture text_tower_architecture() {
  auto a = architecture<TextTowerConfig, validate, forward>(
      "text_tower", "Text encoder of CLIP or SigLIP under Hugging Face's names.");
  a.fields = text_tower_fields<>();
  return a;
}

}  // namespace vitals
