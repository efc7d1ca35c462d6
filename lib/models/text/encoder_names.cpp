#include "models/text/encoder_names.h"

#include "models/naming.h"

namespace vitals {
namespace {

constexpr StackLayerNames bert_layer() {
  return {.attn = "attention",
          .q = "self.query",
          .k = "self.key",
          .v = "self.value",
          .out = "output.dense",
          .attn_norm = "attention.output.LayerNorm",
          .up = "intermediate.dense",
          .down = "output.dense",
          .act = "intermediate.intermediate_act_fn",
          .mlp_norm = "output.LayerNorm"};
}

constexpr StackLayerNames deberta_layer() {
  auto names = bert_layer();
  names.q = "self.query_proj";
  names.k = "self.key_proj";
  names.v = "self.value_proj";
  return names;
}

// Norms stand before the halves.
constexpr StackLayerNames esm_layer() {
  auto names = bert_layer();
  names.attn_norm = "attention.LayerNorm";
  names.mlp_norm = "LayerNorm";
  return names;
}

constexpr EncoderNames kEncoders[] = {
    {.naming = "bert",
     .layer = bert_layer(),
     .lm_dense = "cls.predictions.transform.dense",
     .lm_norm = "cls.predictions.transform.LayerNorm",
     .lm_decoder = "cls.predictions.decoder",
     .lm_bias = "cls.predictions",
     .pair_classifier = "cls.seq_relationship"},
    {.naming = "roberta",
     .base = "roberta",
     .layer = bert_layer(),
     .lm_dense = "lm_head.dense",
     .lm_norm = "lm_head.layer_norm",
     .lm_decoder = "lm_head.decoder",
     .lm_bias = "lm_head",
     .classifier_dense = "classifier.dense",
     .sentence_classifier = "classifier.out_proj"},
    {.naming = "distilbert",
     .base = "distilbert",
     .layers = "transformer.layer",
     .layer = {.attn = "attention",
               .q = "q_lin",
               .k = "k_lin",
               .v = "v_lin",
               .out = "out_lin",
               .attn_norm = "sa_layer_norm",
               .mlp = "ffn",
               .up = "lin1",
               .down = "lin2",
               .act = "activation",
               .mlp_norm = "output_layer_norm"},
     .pooler = "",
     .lm_dense = "vocab_transform",
     .lm_norm = "vocab_layer_norm",
     .lm_decoder = "vocab_projector",
     .classifier_dense = "pre_classifier",
     .classifier_act = op::ActivationKind::relu,
     .drops_before_dense = false,
     .drops_spans = true},
    {.naming = "albert",
     .base = "albert",
     .project_in = "encoder.embedding_hidden_mapping_in",
     .layers = "encoder.albert_layer_groups",
     .inner_layers = "albert_layers",
     .layer = {.attn = "attention",
               .q = "query",
               .k = "key",
               .v = "value",
               .out = "dense",
               .attn_norm = "attention.LayerNorm",
               .up = "ffn",
               .down = "ffn_output",
               .act = "activation",
               .mlp_norm = "full_layer_layer_norm"},
     .pooler = "pooler",
     .lm_dense = "predictions.dense",
     .lm_norm = "predictions.LayerNorm",
     .lm_decoder = "predictions.decoder",
     .lm_bias = "predictions",
     .pair_classifier = "sop_classifier.classifier"},
    {.naming = "electra",
     .base = "electra",
     .project_in = "embeddings_project",
     .layer = bert_layer(),
     .pooler = "",
     .lm_dense = "generator_predictions.dense",
     .lm_norm = "generator_predictions.LayerNorm",
     .lm_decoder = "generator_lm_head",
     .classifier_dense = "classifier.dense",
     .classifier_act = op::ActivationKind::gelu,
     .sentence_classifier = "classifier.out_proj",
     .token_dense = "discriminator_predictions.dense",
     .token_score = "discriminator_predictions.dense_prediction"},
    {.naming = "esm",
     .base = "esm",
     .final_norm = "encoder.emb_layer_norm_after",
     .layer = esm_layer(),
     .lm_dense = "lm_head.dense",
     .lm_norm = "lm_head.layer_norm",
     .lm_decoder = "lm_head.decoder",
     .lm_bias = "lm_head",
     .classifier_dense = "classifier.dense",
     .sentence_classifier = "classifier.out_proj"},
    {.naming = "deberta-v2",
     .base = "deberta",
     .project_in = "embeddings.embed_proj",
     .layer = deberta_layer(),
     .pooler = "",
     .lm_dense = "cls.predictions.transform.dense",
     .lm_norm = "cls.predictions.transform.LayerNorm",
     .lm_decoder = "cls.predictions.decoder",
     .lm_bias = "cls.predictions",
     .classifier_dense = "pooler.dense",
     .classifier_act = op::ActivationKind::gelu},
    {.naming = "mpnet",
     .base = "mpnet",
     .layer = {.attn = "attention",
               .q = "attn.q",
               .k = "attn.k",
               .v = "attn.v",
               .out = "attn.o",
               .attn_norm = "attention.LayerNorm",
               .up = "intermediate.dense",
               .down = "output.dense",
               .act = "intermediate.intermediate_act_fn",
               .mlp_norm = "output.LayerNorm"},
     .lm_dense = "lm_head.dense",
     .lm_norm = "lm_head.layer_norm",
     .lm_decoder = "lm_head.decoder",
     .lm_bias = "lm_head",
     .classifier_dense = "classifier.dense",
     .sentence_classifier = "classifier.out_proj"},
    {.naming = "nomic_bert",
     .base = "bert",
     .layers = "encoder.layers",
     .layer = {.attn = "attn",
               .qkv = "Wqkv",
               .out = "out_proj",
               .attn_norm = "norm1",
               .mlp = "mlp",
               .gate = "fc12",
               .up = "fc11",
               .down = "fc2",
               .act = "act",
               .mlp_norm = "norm2"},
     .pooler = "",
     .lm_dense = "cls.predictions.transform.dense",
     .lm_norm = "cls.predictions.transform.layer_norm",
     .lm_decoder = "cls.predictions.decoder"},
    {.naming = "modernbert",
     .base = "model",
     .word = "tok_embeddings",
     .embed_norm = "norm",
     .final_norm = "final_norm",
     .layers = "layers",
     .layer = {.attn = "attn",
               .qkv = "Wqkv",
               .out = "Wo",
               .attn_norm = "attn_norm",
               .mlp = "mlp",
               .up = "Wi",
               .down = "Wo",
               .act = "act",
               .mlp_norm = "mlp_norm"},
     .pooler = "",
     .lm_dense = "head.dense",
     .lm_norm = "head.norm",
     .lm_decoder = "decoder"},
};

}  // namespace

const EncoderNames* find_encoder_names(std::string_view naming) {
  return find_naming(kEncoders, naming);
}

const std::vector<std::string_view>& encoder_namings() {
  static const auto names = namings_of(kEncoders);
  return names;
}

}  // namespace vitals
