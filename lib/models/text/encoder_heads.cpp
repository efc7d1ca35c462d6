#include "models/text/encoder_heads.h"

#include "models/layers/activation_names.h"

namespace vitals {
namespace {

double head_dropout(const EncoderConfig& c) {
  return c.classifier_dropout.value_or(c.hidden_dropout_prob);
}

// dense, activation, norm, and the table of embeddings once more (or a matrix like it).
Tensor masked_lm(Builder& b, const EncoderOutput& e, const EncoderConfig& c,
                 const EncoderNames& n) {
  const auto width = c.embedding_size.value_or(c.hidden_size);
  auto x = linear(b, n.lm_dense, e.tokens, width, Role::transform, c.head_dense_bias);
  x = norm(b, n.lm_norm, b.activation(x, activation_kind(c.hidden_act)), norm_of(c));
  ParamId bias = kNone;
  if (!n.lm_bias.empty())
    b.within(n.lm_bias, {"Head", Role::head},
             [&] { return bias = b.param("bias", {c.vocab_size}); });
  return b.call(n.lm_decoder, {"Linear", Role::head, TorchClass::linear}, {x}, [&] {
    const auto weight = c.tie_word_embeddings ? e.table : b.param("weight", {c.vocab_size, width});
    if (bias == kNone) bias = b.param("bias", {c.vocab_size});
    return b.linear(x, c.vocab_size, weight, bias);
  });
}

// One vector for the whole text: the pooled token, or the first one through a layer of the head.
Tensor text_vector(Builder& b, const EncoderOutput& e, const EncoderConfig& c,
                   const EncoderNames& n) {
  if (n.classifier_dense.empty()) return b.dropout(*e.pooled, head_dropout(c));
  auto x = b.select(e.tokens, 1, 0);
  if (n.drops_before_dense) x = b.dropout(x, head_dropout(c));
  x = b.activation(linear(b, n.classifier_dense, x, c.hidden_size, Role::transform),
                   n.classifier_act);
  return b.dropout(x, head_dropout(c));
}

// Whether each token was replaced (Clark et al. 2020, arXiv:2003.10555).
Tensor token_scores(Builder& b, const EncoderOutput& e, const EncoderConfig& c,
                    const EncoderNames& n) {
  auto x = linear(b, n.token_dense, e.tokens, c.hidden_size, Role::transform);
  return linear(b, n.token_score, b.activation(x, activation_kind(c.hidden_act)), 1,
                Role::classifier);
}

}  // namespace

const std::vector<std::string_view>& encoder_head_names() {
  static const std::vector<std::string_view> names = {"none",
                                                      "pooler",
                                                      "masked_lm",
                                                      "pretraining",
                                                      "next_sentence",
                                                      "classification",
                                                      "multiple_choice",
                                                      "token_classification",
                                                      "question_answering"};
  return names;
}

void check_encoder_head(const EncoderConfig& c, const EncoderNames& n) {
  const bool lacks =
      (c.head == "pooler" && n.pooler.empty()) ||
      (c.head == "next_sentence" && n.pair_classifier.empty()) ||
      (c.head == "pretraining" && n.pair_classifier.empty() && n.token_score.empty());
  if (lacks) fail("/head: the naming '{}' has no '{}'", c.naming, c.head);
}

bool pools(const EncoderConfig& c, const EncoderNames& n) {
  if (c.head == "multiple_choice") return !n.pooler.empty();
  if (c.head == "classification") return n.classifier_dense.empty();
  return c.head == "pooler" || c.head == "next_sentence" ||
         (c.head == "pretraining" && !n.pair_classifier.empty());
}

Tensors encoder_head(Builder& b, const EncoderOutput& e, const EncoderConfig& c,
                     const EncoderNames& n) {
  if (c.head == "none") return {e.tokens};
  if (c.head == "pooler") return {e.tokens, *e.pooled};
  if (c.head == "masked_lm") return {masked_lm(b, e, c, n)};
  if (c.head == "next_sentence")
    return {linear(b, n.pair_classifier, *e.pooled, 2, Role::classifier)};
  if (c.head == "pretraining") {
    if (n.pair_classifier.empty()) return {token_scores(b, e, c, n)};
    return {masked_lm(b, e, c, n), linear(b, n.pair_classifier, *e.pooled, 2, Role::classifier)};
  }
  if (c.head == "classification")
    return {
        linear(b, n.sentence_classifier, text_vector(b, e, c, n), c.num_labels, Role::classifier)};
  // A score for each choice, whose texts are samples of the batch.
  if (c.head == "multiple_choice") {
    const auto vector = e.pooled ? b.dropout(*e.pooled, head_dropout(c)) : text_vector(b, e, c, n);
    return {linear(b, n.pooler.empty() ? n.sentence_classifier : "classifier", vector, 1,
                   Role::classifier)};
  }
  const bool spans = c.head == "question_answering";
  const auto x = spans && !n.drops_spans ? e.tokens : b.dropout(e.tokens, head_dropout(c));
  return {linear(b, spans ? "qa_outputs" : "classifier", x, c.num_labels, Role::classifier)};
}

}  // namespace vitals
