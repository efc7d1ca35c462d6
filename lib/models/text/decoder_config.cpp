#include "models/text/decoder_config.h"

#include "core/divisors.h"
#include "models/layers/activation_names.h"
#include "models/layers/layers.h"
#include "models/text/decoder_names.h"

#include <algorithm>

namespace vitals {

std::uint64_t kv_heads(const DecoderConfig& c) {
  return c.num_key_value_heads.value_or(c.num_attention_heads);
}

std::uint64_t head_dim(const DecoderConfig& c) {
  return c.head_dim.value_or(c.hidden_size / c.num_attention_heads);
}

std::uint64_t intermediate_size(const DecoderConfig& c) {
  return c.intermediate_size.value_or(4 * c.hidden_size);
}

std::uint64_t embedding_size(const DecoderConfig& c) {
  return c.embedding_size.value_or(c.hidden_size);
}

std::uint64_t rotary_dim(const DecoderConfig& c) {
  if (c.kv_lora_rank) return c.qk_rope_head_dim;
  return c.rotary_dim.value_or(head_dim(c));
}

double attention_drop(const DecoderConfig& c) {
  return c.joint_dropout ? 0.0 : c.attn_resid_pdrop.value_or(c.resid_pdrop);
}

double feed_forward_drop(const DecoderConfig& c) { return c.joint_dropout ? 0.0 : c.resid_pdrop; }

namespace {

constexpr std::pair<std::string_view, Mixer> kMixers[] = {{"full_attention", Mixer::attention},
                                                          {"sliding_attention", Mixer::attention},
                                                          {"chunked_attention", Mixer::attention},
                                                          {"mamba", Mixer::mamba},
                                                          {"mamba2", Mixer::mamba2},
                                                          {"linear_attention", Mixer::gated_delta},
                                                          {"conv", Mixer::convolution},
                                                          {"lightning_attention", Mixer::lightning},
                                                          {"none", Mixer::none}};

Mixer mixer_of(std::string_view name) {
  return std::find_if(std::begin(kMixers), std::end(kMixers),
                      [&](const auto& row) { return row.first == name; })
      ->second;
}

std::vector<std::string_view> layer_type_names() {
  std::vector<std::string_view> names;
  for (const auto& row : kMixers) names.push_back(row.first);
  return names;
}

}  // namespace

DecoderLayerKind layer_kind(const DecoderConfig& c, std::uint64_t layer) {
  DecoderLayerKind kind;
  if (!c.layer_types.empty()) kind.mixer = mixer_of(c.layer_types[layer]);
  const bool listed =
      std::find(c.dense_layers.begin(), c.dense_layers.end(), layer) != c.dense_layers.end();
  kind.experts = c.num_experts > 0 && !listed;
  if (!c.feed_forward_types.empty()) kind.experts = c.feed_forward_types[layer] == "experts";
  kind.dense =
      !kind.experts && (c.feed_forward_types.empty() || c.feed_forward_types[layer] == "dense");
  return kind;
}

namespace {

bool sees_all(const DecoderConfig& c, std::uint64_t layer) {
  return !c.layer_types.empty() && c.layer_types[layer] == "full_attention";
}

}  // namespace

std::uint64_t kv_heads(const DecoderConfig& c, std::uint64_t layer) {
  return sees_all(c, layer) ? c.global_num_key_value_heads.value_or(kv_heads(c)) : kv_heads(c);
}

std::uint64_t head_dim(const DecoderConfig& c, std::uint64_t layer) {
  return sees_all(c, layer) ? c.global_head_dim.value_or(head_dim(c)) : head_dim(c);
}

bool shares_keys(const DecoderConfig& c, std::uint64_t layer) {
  return layer + c.shared_key_value_layers >= c.num_hidden_layers;
}

std::uint64_t window(const DecoderConfig& c, std::uint64_t layer) {
  if (!c.sliding_window) return 0;
  const bool slides = c.layer_types.empty() || c.layer_types[layer] == "sliding_attention" ||
                      c.layer_types[layer] == "chunked_attention";
  return slides ? *c.sliding_window : 0;
}

namespace {

void validate_attention(const DecoderConfig& c) {
  if (!c.kv_lora_rank && !c.head_dim && c.hidden_size % c.num_attention_heads != 0)
    fail(
        "/hidden_size: {} is not divisible by num_attention_heads {}; {} heads divide it, or state "
        "head_dim",
        c.hidden_size, c.num_attention_heads,
        nearest_divisors(c.hidden_size, c.num_attention_heads));
  if (c.global_num_key_value_heads && c.num_attention_heads % *c.global_num_key_value_heads != 0)
    fail("/global_num_key_value_heads: {} do not divide the {} attention heads",
         *c.global_num_key_value_heads, c.num_attention_heads);
  if (c.shared_key_value_layers >= c.num_hidden_layers && c.shared_key_value_layers > 0)
    fail("/shared_key_value_layers: {} of {} layers; one has to have keys to share",
         c.shared_key_value_layers, c.num_hidden_layers);
  if (c.index_n_heads > 0 && (!c.kv_lora_rank || !c.q_lora_rank))
    fail(
        "/index_n_heads: the indexer reads the latent queries of latent attention; state "
        "kv_lora_rank and q_lora_rank");
  if (c.num_attention_heads % kv_heads(c) != 0)
    fail("/num_key_value_heads: {} do not divide the {} attention heads", kv_heads(c),
         c.num_attention_heads);
  if (!c.kv_lora_rank && c.position_embedding == "rope" && rotary_dim(c) > head_dim(c))
    fail("/rotary_dim: {} is larger than a head, which has {} features", rotary_dim(c),
         head_dim(c));
  if (c.kv_lora_rank && c.qk_norm != "none")
    fail("/qk_norm: latent attention normalises its latents, and takes no '{}'", c.qk_norm);
  auto unused = [&](bool stated, std::string_view field, std::string_view instead) {
    if (c.kv_lora_rank && stated)
      fail("/{}: latent attention (kv_lora_rank) has {}; leave it null", field, instead);
  };
  unused(c.head_dim.has_value(), "head_dim", "qk_nope_head_dim, qk_rope_head_dim and v_head_dim");
  unused(c.num_key_value_heads.has_value(), "num_key_value_heads", "keys for every head");
  unused(c.rotary_dim.has_value(), "rotary_dim", "qk_rope_head_dim");
  if (c.qk_norm == "l2" && c.position_embedding != "rope")
    fail("/qk_norm: 'l2' stands behind rotary positions, and position_embedding is '{}'",
         c.position_embedding);
  const auto n = decoder_names(c.naming, c.names);
  if (c.qk_norm == "width" && !n.qkv.empty())
    fail("/qk_norm: 'width' needs queries and keys of their own; '{}' projects them jointly",
         c.naming);
  auto long_enough = [&](std::size_t size, std::string_view field) {
    if (size > 0 && size < c.num_hidden_layers)
      fail("/{}: {} entries for {} layers", field, size, c.num_hidden_layers);
  };
  long_enough(c.layer_types.size(), "layer_types");
  long_enough(c.no_rope_layers.size(), "no_rope_layers");
  long_enough(c.feed_forward_types.size(), "feed_forward_types");
  const bool slides = std::any_of(c.layer_types.begin(), c.layer_types.end(), [](auto& t) {
    return t == "sliding_attention" || t == "chunked_attention";
  });
  if (slides && !c.sliding_window)
    fail("/sliding_window: null, but layer_types has layers that need it");
}

// A family's names tell which modules it can have at all.
void validate_names(const DecoderConfig& c) {
  const auto n = decoder_names(c.naming, c.names);
  auto need = [&](bool wanted, std::string_view name, std::string_view field,
                  std::string_view what) {
    if (wanted && name.empty())
      fail("/{}: the naming '{}' has no name for {}", field, c.naming, what);
  };
  need(c.position_embedding == "learned", n.positions, "position_embedding", "learned positions");
  need(c.embedding_norm, n.embed_norm, "embedding_norm", "a norm of the embeddings");
  need(embedding_size(c) != c.hidden_size, n.project_in, "embedding_size", "its projections");
  const bool post = c.norm_position == "post" || c.norm_position == "sandwich";
  need(post, n.attn_post_norm, "norm_position", "a norm after attention");
  need(c.norm_position != "post" && !(c.parallel_residual && c.parallel_norms == 1), n.mlp_norm,
       "norm_position", "a norm before the feed-forward");
  need(c.shared_expert_gate, n.shared_gate, "shared_expert_gate", "the gate of a shared expert");
}

void validate_mixers(const DecoderConfig& c) {
  auto has = [&](std::string_view type) {
    return std::find(c.layer_types.begin(), c.layer_types.end(), type) != c.layer_types.end();
  };
  const bool two = has("mamba2") || c.parallel_mamba;
  if ((has("mamba") || two) && c.mamba_width == 0)
    fail("/mamba_width: 0, but some layers are Mamba's; state the features inside the mixer");
  if (has("mamba") && c.mamba_dt_rank == 0) fail("/mamba_dt_rank: 0 is too small; at least 1");
  if (two && c.mamba_width % c.mamba_heads != 0)
    fail("/mamba_heads: {} do not divide the {} features of mamba_width", c.mamba_heads,
         c.mamba_width);
  if (two && c.mamba_heads % c.mamba_groups != 0)
    fail("/mamba_groups: {} do not divide the {} heads", c.mamba_groups, c.mamba_heads);
  if (has("linear_attention") && c.linear_num_value_heads % c.linear_num_key_heads != 0)
    fail("/linear_num_key_heads: {} do not divide the {} heads of values", c.linear_num_key_heads,
         c.linear_num_value_heads);
}

void validate_experts(const DecoderConfig& c) {
  if (c.experts_beside_dense && (c.num_experts == 0 || c.norm_position != "sandwich"))
    fail("/experts_beside_dense: requires num_experts, and norm_position \"sandwich\"");
  if (c.num_experts == 0) return;
  if (c.num_experts_per_tok > c.num_experts)
    fail("/num_experts_per_tok: {} of {} experts cannot be chosen", c.num_experts_per_tok,
         c.num_experts);
  if (c.moe_intermediate_size == 0) fail("/moe_intermediate_size: the experts need a width");
}

}  // namespace

void validate(const DecoderConfig& c) {
  if (c.parallel_residual && c.norm_position != "pre")
    fail("/norm_position: '{}' has no parallel form", c.norm_position);
  if (c.joint_dropout && !c.parallel_residual)
    fail("/joint_dropout: only a parallel layer sums its halves; set parallel_residual to true");
  if (c.joint_dropout && c.attn_resid_pdrop)
    fail("/attn_resid_pdrop: joint_dropout leaves attention none of its own; set it to null");
  if (c.norm_layer.kind == "RmsNorm" && c.qk_norm_bias)
    fail("/qk_norm_bias: an RmsNorm has no bias");
  if (c.drafts && (c.parallel_residual || c.norm_position != "pre" || c.kv_lora_rank))
    fail("/drafts: a draft model has layers with norms before their halves, and plain attention");
  if (c.draft_vocab_size && c.tie_word_embeddings && *c.draft_vocab_size != c.vocab_size)
    fail("/draft_vocab_size: {} words are scored, but the table of {} is shared",
         *c.draft_vocab_size, c.vocab_size);
  validate_names(c);
  validate_mixers(c);
  validate_attention(c);
  validate_experts(c);
}

namespace {

std::vector<Field> decoder_size_fields() {
  using C = DecoderConfig;
  return {
      field<&C::vocab_size>("vocab_size", "Rows of the token table.").between(1, 1e9),
      field<&C::hidden_size>("hidden_size", "Width of the tokens.").between(1, kMaxWidth),
      field<&C::num_hidden_layers>("num_hidden_layers", "Number of layers.").at_most(kMaxDepth),
      field<&C::num_attention_heads>("num_attention_heads", "Query heads.").between(1, kMaxWidth),
      field<&C::num_key_value_heads>("num_key_value_heads",
                                     "Key and value heads, each shared by a group of query heads; "
                                     "null: num_attention_heads.")
          .between(1, kMaxWidth),
      field<&C::head_dim>("head_dim",
                          "Features of a head; null: hidden_size / num_attention_heads.")
          .between(1, kMaxWidth),
      field<&C::intermediate_size>("intermediate_size",
                                   "Width of the feed-forward; null: 4 * hidden_size.")
          .between(1, kMaxWidth),
      field<&C::max_position_embeddings>("max_position_embeddings",
                                         "Context length, and rows of the learned positions.")
          .between(1, 1e9),
      field<&C::embedding_size>(
          "embedding_size",
          "Width of the token table, projected to hidden_size; null: hidden_size.")
          .between(1, kMaxWidth),
      field<&C::naming>("naming", "The family whose names the modules have.")
          .one_of(decoder_namings()),
      field<&C::names>("names",
                       "Modules that go by other names than the naming's, as \"part=name\": "
                       "\"qkv=W_pack\"; null: none.")
          .or_null(),
  };
}

std::vector<Field> decoder_layer_fields() {
  using C = DecoderConfig;
  return {
      field<&C::norm_layer>("norm_layer", "Norm of the layers.")
          .one_of({"LayerNorm", "RmsNorm"})
          .takes("eps"),
      field<&C::norm_bias>("norm_bias", "Bias of a LayerNorm."),
      field<&C::norm_affine>("norm_affine", "Norms have parameters."),
      field<&C::norm_position>("norm_position",
                               "Where a layer's norms stand: before its halves, after them, both "
                               "(sandwich), or after the residual sum (post_residual).")
          .one_of({"pre", "post", "sandwich", "post_residual"}),
      field<&C::parallel_residual>("parallel_residual",
                                   "Attention and feed-forward read the same input."),
      field<&C::parallel_norms>("parallel_norms", "Norms of a parallel layer.").between(1, 2),
      field<&C::embedding_norm>("embedding_norm", "A norm after the token table."),
      field<&C::final_norm>("final_norm", "A norm after the layers."),
  };
}

std::vector<Field> attention_fields() {
  using C = DecoderConfig;
  return {
      field<&C::attention_bias>("attention_bias", "Bias of queries, keys and values."),
      field<&C::attention_out_bias>("attention_out_bias", "Bias of attention's output projection."),
      field<&C::qk_norm>(
          "qk_norm",
          "Norm of queries and keys: one vector for all heads (head), one for each (heads), "
          "over the whole projection (width), or without parameters (l2).")
          .one_of({"none", "head", "heads", "width", "l2"}),
      field<&C::qk_norm_bias>("qk_norm_bias", "Bias of that norm."),
      field<&C::position_embedding>("position_embedding", "How positions enter.")
          .one_of({"rope", "learned", "alibi", "none"}),
      field<&C::position_offset>(
          "position_offset", "Rows of the learned positions beyond the context length (OPT: 2).")
          .at_most(1e6),
      field<&C::rotary_dim>("rotary_dim", "Features of a head that RoPE turns; null: all.")
          .at_most(kMaxWidth),
      field<&C::no_rope_layers>("no_rope_layers",
                                "For each layer 1 when it uses RoPE, 0 when not; null: all do.")
          .at_most(1)
          .or_null(),
      field<&C::layer_types>(
          "layer_types",
          "For each layer what it attends to; null: the sliding window in all layers, if "
          "there is one.")
          .one_of(layer_type_names())
          .or_null(),
      field<&C::sliding_window>("sliding_window",
                                "Tokens that a sliding layer attends to; null: all.")
          .between(1, 1e12),
      field<&C::attention_scale>("attention_scale", "Factor of the scores; null: head_dim^-0.5."),
      field<&C::attn_logit_softcapping>("attn_logit_softcapping",
                                        "Cap of the scores, by tanh; null: none."),
      field<&C::attention_sinks>(
          "attention_sinks", "A learned logit for each head that takes weight without a value."),
      field<&C::repeats_kv>("repeats_kv",
                            "The library copied keys and values to every query head before flash "
                            "attention, up to its version 4.45."),
      field<&C::keeps_presents>("keeps_presents",
                                "The library's model keeps every layer's keys and values until it "
                                "returns, in training, too: views of the joint projection."),
      field<&C::causal_mask>("causal_mask", "The mask is added to the scores, or fills them.")
          .one_of({"add", "fill"}),
      field<&C::kv_lora_rank>(
          "kv_lora_rank",
          "Width of the latent of keys and values (MLA); null: no latent attention.")
          .between(1, kMaxWidth),
      field<&C::q_lora_rank>(
          "q_lora_rank",
          "Width of the latent of queries (MLA); null: queries are projected directly.")
          .between(1, kMaxWidth),
      field<&C::qk_nope_head_dim>("qk_nope_head_dim", "Features of a head without positions (MLA).")
          .at_most(kMaxWidth),
      field<&C::qk_rope_head_dim>("qk_rope_head_dim", "Rotary features of a head (MLA).")
          .between(1, kMaxWidth),
      field<&C::v_head_dim>("v_head_dim", "Features of a value (MLA).").between(1, kMaxWidth),
  };
}

std::vector<Field> feed_forward_fields() {
  using C = DecoderConfig;
  return {
      field<&C::hidden_act>("hidden_act", "Activation of the feed-forward.")
          .one_of(activation_names()),
      field<&C::mlp_gated>("mlp_gated",
                           "Three matrices, one gating (SwiGLU and kin), rather than two."),
      field<&C::mlp_bias>("mlp_bias", "Biases of the feed-forward."),
      field<&C::num_experts>("num_experts", "Experts of a layer; 0: none.").at_most(1e6),
      field<&C::num_experts_per_tok>("num_experts_per_tok", "Experts that a token is sent to.")
          .between(1, 1e6),
      field<&C::moe_intermediate_size>("moe_intermediate_size", "Width of an expert.")
          .at_most(kMaxWidth),
      field<&C::shared_expert_intermediate_size>("shared_expert_intermediate_size",
                                                 "Width of the expert that every token "
                                                 "passes, all shared ones together; 0: none.")
          .at_most(kMaxWidth),
      field<&C::shared_expert_gate>("shared_expert_gate", "A learned gate of the shared expert."),
      field<&C::router_bias>("router_bias", "Bias of the router."),
      field<&C::expert_bias>("expert_bias", "Biases of the experts."),
      field<&C::expert_format>("expert_format",
                               "Block format in which the experts are published; null: the type of "
                               "the other weights.")
          .one_of({"MXFP4", ""})
          .or_null(),
      field<&C::router_activation>("router_activation", "How the router's scores become weights.")
          .one_of({"softmax", "sigmoid"}),
      field<&C::router_correction_bias>(
          "router_correction_bias",
          "A bias of the choice that balances the experts' load; it has no gradient."),
      field<&C::router_correction_buffer>("router_correction_buffer",
                                          "That bias is a buffer, and no parameter."),
      field<&C::dense_layers>("dense_layers",
                              "Layers with a plain feed-forward instead of experts.")
          .at_most(kMaxDepth)
          .or_null(),
  };
}

std::vector<Field> head_fields() {
  using C = DecoderConfig;
  return {
      field<&C::head>("head",
                      "What stands on the stack: logits of the next token (lm), a class for a "
                      "sequence or for each "
                      "token, or nothing.")
          .one_of({"lm", "classification", "token_classification", "none"}),
      field<&C::tie_word_embeddings>("tie_word_embeddings", "The lm head uses the token table."),
      field<&C::lm_head_bias>("lm_head_bias", "Bias of the lm head."),
      field<&C::num_labels>("num_labels", "Classes of a classification head.").between(1, 1e9),
      field<&C::final_logit_softcapping>("final_logit_softcapping",
                                         "Cap of the logits, by tanh; null: none."),
      field<&C::embedding_multiplier>("embedding_multiplier",
                                      "Factor of the token embeddings; null: none.")
          .at_least(-1e18),
      field<&C::residual_multiplier>("residual_multiplier",
                                     "Factor of what is added to the residual; null: none.")
          .at_least(-1e18),
      field<&C::logits_multiplier>("logits_multiplier", "Factor of the logits; null: none.")
          .at_least(-1e18),
      field<&C::embd_pdrop>("embd_pdrop", "Dropout after the embeddings.").below(1),
      field<&C::resid_pdrop>("resid_pdrop", "Dropout after attention and feed-forward.").below(1),
      field<&C::attn_resid_pdrop>("attn_resid_pdrop", "Dropout after attention; null: resid_pdrop.")
          .below(1),
      field<&C::joint_dropout>("joint_dropout",
                               "A parallel layer drops out of the sum of its halves, once."),
      field<&C::attn_pdrop>("attn_pdrop", "Dropout of the attention weights.").below(1),
      field<&C::classifier_dropout>("classifier_dropout",
                                    "Dropout before the scores of token_classification.")
          .below(1),
  };
}

}  // namespace

std::vector<Field> decoder_fields() {
  std::vector<Field> all;
  for (auto* part : {decoder_size_fields, decoder_layer_fields, attention_fields,
                     feed_forward_fields, head_fields, decoder_hybrid_fields})
    for (auto& f : part()) all.push_back(std::move(f));
  return all;
}

std::vector<Alias> decoder_field_aliases() {
  return {
      {"embed_dim", "Width of the tokens.", {"hidden_size"}},
      {"depth", "Number of layers.", {"num_hidden_layers"}},
      {"num_heads", "Query heads.", {"num_attention_heads"}},
      {"num_classes", "Classes of a classification head.", {"num_labels"}},
      {"num_kv_heads", "Key and value heads.", {"num_key_value_heads"}},
  };
}

}  // namespace vitals
