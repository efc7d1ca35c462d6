// Rules of text encoders and encoder-decoders, read from the library's configuration_*.py and
// modeling_*.py.
#include "core/error.h"
#include "frontends/hf/rules.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Values = HfValues;

// RoBERTa counts positions from the one behind the padding's.
void reserved_positions(const Values& hf, const HfFamily&, ordered_json& spec) {
  spec["reserved_positions"] = hf.integer("pad_token_id") + 1;
}

// Two heads have dropout rates of their own.
void distilbert(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto& qa = hf.at("qa_dropout");
  const auto& classification = hf.at("seq_classif_dropout");
  if (spec["head"] == "classification") spec["classifier_dropout"] = classification;
  if (spec["head"] == "question_answering") spec["classifier_dropout"] = qa;
}

// "relu", "gated-gelu": the activation, and whether the MLP is gated by it.
void t5(const Values& hf, const HfFamily&, ordered_json& spec) {
  spec["decoder_layers"] =
      hf.has("num_decoder_layers") ? hf.at("num_decoder_layers") : hf.at("num_layers");
  const auto& given = hf.at("feed_forward_proj");
  if (!given.is_string()) hf.refuse("feed_forward_proj", "expected a string, got " + given.dump());
  auto act = given.get<std::string>();
  const bool gated = act.starts_with("gated-");
  if (gated) act.erase(0, std::string_view("gated-").size());
  // The library takes the tanh form for "gated-gelu", and for that alone.
  spec["hidden_act"] = gated && act == "gelu" ? "gelu_new" : act;
  // What is derived from feed_forward_proj is overwritten where the config states it.
  spec["mlp_gated"] = hf.has("is_gated_act") ? hf.flag("is_gated_act") : gated;
  if (hf.has("dense_act_fn")) spec["hidden_act"] = hf.at("dense_act_fn");
  spec["scale_output"] = hf.flag("tie_word_embeddings");
}

// Tables of their own for encoder and decoder, where they do not share one.
void marian(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto& own = hf.at("decoder_vocab_size");
  if (hf.flag("share_encoder_decoder_embeddings")) {
    if (!own.is_null() && own != hf.at("vocab_size"))
      hf.refuse("decoder_vocab_size", "differs from vocab_size, but the embeddings are shared");
    return;
  }
  spec["decoder_vocab_size"] = own.is_null() ? hf.at("vocab_size") : own;
}

constexpr HfRule kEncoderRules[] = {
    {"reserved_positions", reserved_positions},
    {"distilbert", distilbert},
    {"t5", t5},
    {"marian", marian},
};

}  // namespace

std::span<const HfRule> hf_encoder_rules() { return kEncoderRules; }

}  // namespace vitals
