#include "models/text/encoder.h"

#include "core/divisors.h"
#include "models/layers/activation_names.h"
#include "models/text/encoder_heads.h"
#include "models/text/encoder_names.h"
#include "models/text/hidden_fields.h"

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

std::uint64_t table_width(const EncoderConfig& c) {
  return c.embedding_size.value_or(c.hidden_size);
}

std::uint64_t positions(const EncoderConfig& c) {
  return c.max_position_embeddings - c.reserved_positions;
}

void validate(const EncoderConfig& c) {
  if (c.conv_kernel > 0 && (c.conv_kernel % 2 == 0 || c.hidden_size % c.conv_groups != 0))
    fail("/conv_kernel: expected an odd kernel, and groups that divide hidden_size {}",
         c.hidden_size);
  const auto& n = *find_encoder_names(c.naming);
  if (c.hidden_size % c.num_attention_heads != 0)
    fail("/hidden_size: {} is not divisible by num_attention_heads {}; {} heads divide it",
         c.hidden_size, c.num_attention_heads,
         nearest_divisors(c.hidden_size, c.num_attention_heads));
  if (c.reserved_positions >= c.max_position_embeddings)
    fail("/max_position_embeddings: of {} positions {} are reserved; none is left for tokens",
         c.max_position_embeddings, c.reserved_positions);
  if (n.project_in.empty() && table_width(c) != c.hidden_size)
    fail("/embedding_size: the naming '{}' has no projection from {} to {} features", c.naming,
         table_width(c), c.hidden_size);
  if ((c.num_hidden_groups > 0) != !n.inner_layers.empty())
    fail("/num_hidden_groups: {} groups of shared layers do not go with the naming '{}'",
         c.num_hidden_groups, c.naming);
  if (c.num_hidden_groups > c.num_hidden_layers)
    fail("/num_hidden_groups: {} groups for {} layers", c.num_hidden_groups, c.num_hidden_layers);
  if (c.final_norm && n.final_norm.empty())
    fail("/final_norm: the naming '{}' has no norm behind its layers", c.naming);
  if (c.mlp == "gated" && n.layer.gate.empty())
    fail("/mlp: the naming '{}' has no name for a gate", c.naming);
  check_encoder_head(c, n);
}

StackLayer layer_of(const EncoderConfig& c, const EncoderNames& n) {
  StackLayer o;
  o.names = n.layer;
  o.num_heads = c.num_attention_heads;
  o.head_dim = c.hidden_size / c.num_attention_heads;
  o.hidden = c.intermediate_size;
  o.norm = norm_of(c);
  // Every term of disentangled attention has its share (arXiv:2006.03654, equation 4).
  const auto terms = 1 + (c.content_to_position ? 1 : 0) + (c.position_to_content ? 1 : 0);
  o.scale = 1.0 / std::sqrt(static_cast<double>(o.head_dim) * terms);
  o.act = activation_kind(c.hidden_act);
  o.pre_norm = c.norm_position == "pre";
  o.first_norm = c.first_norm;
  o.qkv_bias = c.attention_bias;
  o.out_bias = c.attention_out_bias;
  o.mlp_bias = c.mlp_bias;
  o.mlp = c.mlp == "gated"    ? StackMlp::gated
          : c.mlp == "packed" ? StackMlp::packed
                              : StackMlp::plain;
  o.drop = c.hidden_dropout_prob;
  o.attn_drop = c.attention_probs_dropout_prob;
  return o;
}

// Tokens, their types and their positions, summed and normalised. The ids that a caller may leave
// out are buffers of the module. `table` becomes the table of the vocabulary.
Tensor embeddings(Builder& b, Tensor ids, const EncoderConfig& c, const EncoderNames& n,
                  ParamId& table) {
  return b.call("embeddings", "Embeddings", {ids}, [&] {
    const auto width = table_width(c);
    const auto s = ids.dim(1);
    if (c.position_table) b.buffer("position_ids", {1, c.max_position_embeddings}, DType::i64);
    auto x = embedding(b, n.word, ids, c.vocab_size, width, Role::embedding);
    table = b.graph().nodes[x.id()].params[0];
    if (c.type_vocab_size > 0) {
      if (c.token_type_buffer)
        b.buffer("token_type_ids", {1, c.max_position_embeddings}, DType::i64);
      const auto types = b.constant({ids.dim(0), s}, DType::i64);
      x = x + embedding(b, "token_type_embeddings", types, c.type_vocab_size, width,
                        Role::type_embedding);
    }
    if (c.position_embedding == "learned") {
      const auto places = b.constant({1, s}, DType::i64);
      x = x + embedding(b, "position_embeddings", places, c.max_position_embeddings, width,
                        Role::position_embedding);
    } else if (c.position_table) {
      // The library makes the table, and leaves it aside (ESM).
      b.within("position_embeddings",
               {"Embedding", Role::position_embedding, TorchClass::embedding}, [&] {
                 return b.param("weight", {c.max_position_embeddings, width});
               });
    }
    if (c.embedding_norm) x = norm(b, n.embed_norm, x, norm_of(c));
    return b.dropout(x, c.hidden_dropout_prob);
  });
}

// Layers that share their weights are one module, called again and again (Lan et al. 2019,
// arXiv:1909.11942). Group i serves layers i * layers / groups and those after it.
Tensor shared_layers(Builder& b, Tensor x, const EncoderConfig& c, const EncoderNames& n,
                     const StackLayer& o) {
  StackContext context;
  return b.within(n.layers, kModuleList, [&] {
    for (std::uint64_t i = 0; i < c.num_hidden_layers; ++i) {
      const auto group = i * c.num_hidden_groups / c.num_hidden_layers;
      x = b.call(std::to_string(group), "LayerGroup", {x}, [&] {
        return layer_stack(b, n.inner_layers, "EncoderLayer", x, c.inner_group_num, o, context);
      });
    }
    return x;
  });
}

// The table of relative positions as one more sequence (DeBERTa).
void read_relative_positions(Builder& b, const EncoderConfig& c, StackContext& context) {
  b.within("encoder", "Encoder", [&] {
    const auto ids = b.constant({1, c.relative_positions}, DType::i64);
    auto table = embedding(b, "rel_embeddings", ids, c.relative_positions, c.hidden_size,
                           Role::position_embedding);
    if (c.relative_norm) table = norm(b, "LayerNorm", table, norm_of(c));
    context.relative_embeddings = table;
    return table;
  });
  context.content_to_position = c.content_to_position;
  context.position_to_content = c.position_to_content;
  context.own_position_projections = c.own_position_projections;
}

// A convolution over the embeddings, added to what the first layer makes of them (DeBERTa v2's).
Tensor with_convolution(Builder& b, Tensor embedded, Tensor x, const EncoderConfig& c) {
  return b.call("encoder.conv", "ConvLayer", {embedded, x}, [&] {
    const auto width = c.hidden_size;
    auto y = b.transpose(embedded, 1, 2);
    y = b.call("conv", {"Conv1d", Role::convolution, TorchClass::conv1d}, {y}, [&] {
      op::Conv conv;
      conv.in = width;
      conv.out = width;
      conv.kernel[0] = static_cast<std::uint32_t>(c.conv_kernel);
      conv.padding[0] = static_cast<std::uint32_t>((c.conv_kernel - 1) / 2);
      conv.groups = c.conv_groups;
      conv.spatial_dims = 1;
      const auto weight = b.param("weight", {width, width / c.conv_groups, c.conv_kernel});
      return b.add(conv, {y}, weight, b.param("bias", {width}));
    });
    y = b.activation(b.dropout(b.transpose(y, 1, 2), c.hidden_dropout_prob),
                     op::ActivationKind::gelu);
    return norm(b, "LayerNorm", x + y, norm_of(c));
  });
}

// The layers; a convolution stands behind the first of them where there is one.
Tensor encoder_layers(Builder& b, Tensor x, const EncoderConfig& c, const EncoderNames& n,
                      const StackLayer& layer, StackContext& context) {
  if (c.conv_kernel == 0 || c.num_hidden_layers == 0)
    return layer_stack(b, n.layers, "EncoderLayer", x, c.num_hidden_layers, layer, context);
  const auto first = layer_stack(b, n.layers, "EncoderLayer", x, 1, layer, context);
  return layer_stack(b, n.layers, "EncoderLayer", with_convolution(b, x, first, c),
                     c.num_hidden_layers, layer, context, 1);
}

EncoderOutput encode(Builder& b, Tensor ids, const EncoderConfig& c, const EncoderNames& n) {
  ParamId table = kNone;
  auto x = embeddings(b, ids, c, n, table);
  if (!n.project_in.empty() && (table_width(c) != c.hidden_size || c.num_hidden_groups > 0))
    x = linear(b, n.project_in, x, c.hidden_size, Role::projection);
  const auto layer = layer_of(c, n);
  StackContext context;
  context.relative_buckets = c.relative_buckets;
  if (c.position_embedding == "rope") context.rope = b.constant({ids.dim(1), 2 * layer.head_dim});
  if (c.relative_positions > 0) read_relative_positions(b, c, context);
  x = c.num_hidden_groups > 0 ? shared_layers(b, x, c, n, layer)
                              : encoder_layers(b, x, c, n, layer, context);
  if (c.final_norm) x = norm(b, n.final_norm, x, norm_of(c));
  if (c.contact_head)
    b.within("contact_head.regression", {"Linear", Role::classifier, TorchClass::linear}, [&] {
      b.param("bias", {1});
      return b.param("weight", {1, c.num_hidden_layers * c.num_attention_heads});
    });
  EncoderOutput result{x, {}, table};
  if (pools(c, n))
    result.pooled =
        b.activation(linear(b, n.pooler, b.select(x, 1, 0), c.hidden_size, Role::pooler),
                     op::ActivationKind::tanh);
  return result;
}

std::uint64_t seq_len_of(const BuildOptions& options, const EncoderConfig& c) {
  if (options.past_len > 0) fail("an encoder reads a text at once; it has no tokens to follow");
  const auto s = options.seq_len > 0 ? options.seq_len : positions(c);
  if (s > positions(c))
    fail("{} tokens are more than the {} learned positions; a smaller --seq-len fits", s,
         positions(c));
  return s;
}

Tensors forward(Builder& b, const EncoderConfig& c) {
  const auto& n = *find_encoder_names(c.naming);
  const auto s = seq_len_of(b.options(), c);
  const bool bare = c.head == "none" || c.head == "pooler";
  auto& graph = b.graph();
  graph.modules[0].type = bare ? "Encoder" : "EncoderWithHead";
  graph.num_tokens = s;
  if (c.intermediate_size == 4 * c.hidden_size && c.num_hidden_groups == 0)
    graph.plain_stack =
        PlainStack{c.num_hidden_layers, c.hidden_size, c.num_attention_heads, s, c.vocab_size};
  const auto ids = b.input({b.options().batch, s}, DType::i64);
  if (bare) return encoder_head(b, encode(b, ids, c, n), c, n);
  std::optional<EncoderOutput> encoded;
  b.call(n.base, "Encoder", {ids}, [&] {
    encoded = encode(b, ids, c, n);
    Tensors outputs{encoded->tokens};
    if (encoded->pooled) outputs.push_back(*encoded->pooled);
    return outputs;
  });
  return encoder_head(b, *encoded, c, n);
}

std::vector<Field> encoder_size_fields() {
  using C = EncoderConfig;
  return all_fields(
      std::vector<Field>{
          field<&C::vocab_size>("vocab_size", "Tokens of the vocabulary.").between(1, 1e9)},
      hidden_fields<C>(),
      std::vector<Field>{
          field<&C::max_position_embeddings>("max_position_embeddings",
                                             "Rows of the position table.")
              .between(1, 1e9),
          field<&C::reserved_positions>(
              "reserved_positions", "Rows of the position table that no token uses (RoBERTa: 2).")
              .at_most(1e9),
          field<&C::type_vocab_size>("type_vocab_size", "Types of tokens; 0: none.").at_most(1e9),
          field<&C::embedding_size>("embedding_size", "Width of the tables; null: hidden_size.")
              .between(1, kMaxWidth),
          field<&C::num_hidden_groups>(
              "num_hidden_groups",
              "Groups of layers that share their weights (ALBERT); 0: none do.")
              .at_most(kMaxDepth),
          field<&C::inner_group_num>("inner_group_num", "Layers of a group.")
              .between(1, kMaxDepth)});
}

std::vector<Field> kind_fields() {
  using C = EncoderConfig;
  return {
      field<&C::naming>("naming", "The family whose names the modules have.")
          .one_of(encoder_namings()),
      field<&C::hidden_act>("hidden_act", "Activation of the MLP and the head.")
          .one_of(activation_names()),
      field<&C::norm_layer>("norm_layer", "Norm of the layers.").one_of({"LayerNorm"}).takes("eps"),
      field<&C::norm_position>("norm_position", "Norms stand after a layer's halves, or before.")
          .one_of({"post", "pre"}),
      field<&C::norm_bias>("norm_bias", "Bias of the norms."),
      field<&C::embedding_norm>("embedding_norm", "A norm of the embeddings."),
      field<&C::final_norm>("final_norm", "A norm behind the layers."),
      field<&C::first_norm>("first_norm",
                            "The first layer has a norm before its attention, where others do."),
      field<&C::position_embedding>("position_embedding", "How positions enter.")
          .one_of({"learned", "rope", "none"}),
      field<&C::position_table>("position_table",
                                "The table of positions exists, even where it is not used."),
      field<&C::relative_buckets>(
          "relative_buckets", "Rows of a table of relative positions (MPNet); 0: there is none.")
          .at_most(1e6),
      field<&C::conv_kernel>("conv_kernel",
                             "Kernel of a convolution behind the first layer; 0: there is none.")
          .at_most(kMaxSide),
      field<&C::conv_groups>("conv_groups", "Its groups.").between(1, kMaxWidth),
      field<&C::relative_positions>("relative_positions",
                                    "Rows of the table of disentangled attention (DeBERTa); 0: "
                                    "there is none.")
          .at_most(1e9),
      field<&C::relative_norm>("relative_norm", "A norm of that table."),
      field<&C::content_to_position>("content_to_position",
                                     "Queries look at keys of relative positions."),
      field<&C::position_to_content>("position_to_content",
                                     "Keys look at queries of relative positions."),
      field<&C::own_position_projections>("own_position_projections",
                                          "Positions have projections of their own."),
      field<&C::attention_bias>("attention_bias", "Bias of queries, keys and values."),
      field<&C::attention_out_bias>("attention_out_bias", "Bias of attention's output."),
      field<&C::mlp_bias>("mlp_bias", "Biases of the MLP."),
      field<&C::mlp>("mlp", "Two matrices, three with one gating, or those in two.")
          .one_of({"plain", "gated", "packed"}),
      field<&C::head_dense_bias>("head_dense_bias",
                                 "Bias of a language model's head's first layer."),
      field<&C::contact_head>("contact_head", "ESM's regression of contacts."),
      field<&C::token_type_buffer>("token_type_buffer",
                                   "The module holds default token types as a buffer."),
      field<&C::head>("head",
                      "What stands behind the encoder: the pooled first token, a head, or nothing.")
          .one_of(encoder_head_names()),
      field<&C::tie_word_embeddings>("tie_word_embeddings",
                                     "A language model's head uses the table of embeddings."),
      field<&C::num_labels>("num_labels", "Classes of a classifier.").between(1, 1e9),
      field<&C::hidden_dropout_prob>("hidden_dropout_prob", "Dropout of embeddings and layers.")
          .below(1),
      field<&C::attention_probs_dropout_prob>("attention_probs_dropout_prob",
                                              "Dropout of the attention weights.")
          .below(1),
      field<&C::classifier_dropout>("classifier_dropout",
                                    "Dropout before a classifier; null: hidden_dropout_prob.")
          .below(1),
  };
}

}  // namespace

Architecture encoder_architecture() {
  auto a = architecture<EncoderConfig, validate, forward>(
      "encoder", "Text encoder: BERT, RoBERTa, DistilBERT, ALBERT, ELECTRA.");
  a.fields = all_fields(encoder_size_fields(), kind_fields());
  return a;
}

}  // namespace vitals
