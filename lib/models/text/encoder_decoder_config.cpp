#include "models/text/encoder_decoder_config.h"

#include "models/layers/activation_names.h"
#include "models/layers/layers.h"
#include "models/text/encoder_decoder_names.h"

namespace vitals {

std::uint64_t decoder_vocab_size(const EncoderDecoderConfig& c) {
  return c.decoder_vocab_size.value_or(c.vocab_size);
}

void validate(const EncoderDecoderConfig& c) {
  const auto& n = *find_encoder_decoder_names(c.naming);
  auto divides = [&](std::uint64_t heads, std::string_view field) {
    if (!c.head_dim && c.d_model % heads != 0)
      fail("/{}: {} heads do not divide d_model {}; state head_dim", field, heads, c.d_model);
  };
  divides(c.encoder_attention_heads, "encoder_attention_heads");
  divides(c.decoder_attention_heads, "decoder_attention_heads");
  if (c.mlp_gated && n.gated_up.empty())
    fail("/mlp_gated: the naming '{}' has no gated MLP", c.naming);
  if (c.num_mel_bins > 0 && !n.shared.empty())
    fail("/num_mel_bins: the naming '{}' reads texts, not sounds", c.naming);
  if (c.num_mel_bins == 0 && n.shared.empty())
    fail("/num_mel_bins: the naming '{}' reads sounds; 0 is too small", c.naming);
  if (c.source_len && *c.source_len > c.max_source_positions &&
      (c.encoder_positions == "learned" || c.encoder_positions == "frozen"))
    fail("/source_len: {} tokens are more than the {} positions of the table", *c.source_len,
         c.max_source_positions);
  const bool with_tokens = c.head != "encoder";
  if (with_tokens && c.decoder_layers == 0 && c.encoder_layers == 0)
    fail("/decoder_layers: neither encoder nor decoder has a layer");
}

namespace {

constexpr std::string_view kPositions[] = {"learned", "sinusoidal", "frozen", "relative", "none"};

std::vector<Field> encoder_decoder_size_fields() {
  using C = EncoderDecoderConfig;
  return {
      field<&C::vocab_size>("vocab_size", "Tokens of the vocabulary.").between(1, 1e9),
      field<&C::decoder_vocab_size>("decoder_vocab_size",
                                    "Tokens of a vocabulary of the decoder's own; null: one table "
                                    "serves both.")
          .between(1, 1e9),
      field<&C::d_model>("d_model", "Width of the tokens.").between(1, kMaxWidth),
      field<&C::encoder_layers>("encoder_layers", "Layers of the encoder.").at_most(kMaxDepth),
      field<&C::decoder_layers>("decoder_layers", "Layers of the decoder.").at_most(kMaxDepth),
      field<&C::encoder_attention_heads>("encoder_attention_heads", "Heads of the encoder.")
          .between(1, kMaxWidth),
      field<&C::decoder_attention_heads>("decoder_attention_heads", "Heads of the decoder.")
          .between(1, kMaxWidth),
      field<&C::head_dim>("head_dim", "Features of a head; null: d_model / heads.")
          .between(1, kMaxWidth),
      field<&C::encoder_ffn_dim>("encoder_ffn_dim", "Hidden features of the encoder's MLP.")
          .between(1, kMaxWidth),
      field<&C::decoder_ffn_dim>("decoder_ffn_dim", "Hidden features of the decoder's MLP.")
          .between(1, kMaxWidth),
  };
}

std::vector<Field> encoder_decoder_layer_fields() {
  using C = EncoderDecoderConfig;
  return {
      field<&C::naming>("naming", "The family whose names the modules have.")
          .one_of(encoder_decoder_namings()),
      field<&C::norm_layer>("norm_layer", "Norm of the layers.")
          .one_of({"LayerNorm", "RmsNorm"})
          .takes("eps"),
      field<&C::norm_position>("norm_position", "Norms before each half of a layer, or after it.")
          .one_of({"pre", "post"}),
      field<&C::final_norm>("final_norm", "A norm behind each stack."),
      field<&C::final_dropout>("final_dropout", "Dropout behind each stack (T5)."),
      field<&C::embedding_norm>("embedding_norm", "A norm of the embeddings."),
      field<&C::attention_bias>("attention_bias", "Biases of the attention's projections."),
      field<&C::key_bias>("key_bias", "That of the keys, where the others have one."),
      field<&C::attention_scale>("attention_scale", "Factor of the scores; null: head_dim^-0.5."),
      field<&C::mlp_bias>("mlp_bias", "Biases of the MLP."),
      field<&C::hidden_act>("hidden_act", "Activation of the MLP.").one_of(activation_names()),
      field<&C::mlp_gated>("mlp_gated", "The MLP is gated (two matrices up, their product)."),
  };
}

std::vector<Field> encoder_decoder_position_fields() {
  using C = EncoderDecoderConfig;
  return {
      field<&C::encoder_positions>("encoder_positions",
                                   "Positions of the encoder: a learned table, sines that are "
                                   "computed or a table of them (frozen), T5's biases, or none.")
          .one_of(kPositions),
      field<&C::decoder_positions>("decoder_positions", "Positions of the decoder.")
          .one_of(kPositions),
      field<&C::max_source_positions>("max_source_positions", "Tokens that the encoder can read.")
          .between(1, 1e9),
      field<&C::max_target_positions>("max_target_positions", "Tokens that the decoder can write.")
          .between(1, 1e9),
      field<&C::position_offset>("position_offset",
                                 "Rows of a table before the first position (BART: 2).")
          .at_most(1e6),
      field<&C::relative_attention_num_buckets>("relative_attention_num_buckets",
                                                "Rows of T5's table of distances.")
          .between(1, 1e6),
      field<&C::relative_in_every_layer>("relative_in_every_layer",
                                         "Each layer has such a table, not the first one alone."),
  };
}

std::vector<Field> end_fields() {
  using C = EncoderDecoderConfig;
  return {
      field<&C::num_mel_bins>("num_mel_bins",
                              "Channels of a spectrogram that the encoder reads; 0: it reads text.")
          .at_most(kMaxWidth),
      field<&C::source_len>("source_len",
                            "Tokens that the encoder reads; null: as many as --seq-len (of sounds "
                            "max_source_positions).")
          .between(1, 1e9),
      field<&C::scale_embedding>("scale_embedding", "Embeddings times the root of d_model."),
      field<&C::scale_output>("scale_output", "The last states over the root of d_model."),
      field<&C::head>("head",
                      "What stands behind the decoder: a language model's head, another, or "
                      "nothing; encoder: there is no decoder.")
          .one_of({"lm", "none", "encoder", "classification", "question_answering"}),
      field<&C::tie_word_embeddings>("tie_word_embeddings",
                                     "A language model's head uses the table of embeddings."),
      field<&C::final_logits_bias>("final_logits_bias", "A buffer is added to the logits (BART)."),
      field<&C::num_labels>("num_labels", "Classes of a classifier.").between(1, 1e9),
      field<&C::dropout>("dropout", "Dropout of embeddings and layers.").below(1),
      field<&C::attention_dropout>("attention_dropout", "Dropout of the attention weights.")
          .below(1),
      field<&C::activation_dropout>("activation_dropout", "Dropout inside the MLP.").below(1),
      field<&C::classifier_dropout>("classifier_dropout", "Dropout before a classifier.").below(1),
  };
}

}  // namespace

std::vector<Field> encoder_decoder_fields() {
  return all_fields(encoder_decoder_size_fields(), encoder_decoder_layer_fields(),
                    encoder_decoder_position_fields(), end_fields());
}

}  // namespace vitals
