// Rules of decoder-only language models, read from the library's configuration_*.py and
// modeling_*.py.
#include "core/count.h"
#include "frontends/hf/rules.h"
#include "models/field.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Values = HfValues;

constexpr const char* kFull = "full_attention";
constexpr const char* kSliding = "sliding_attention";

std::uint64_t layers(const Values& hf, const char* key = "num_hidden_layers") {
  const auto n = hf.integer(key);
  if (n > static_cast<std::uint64_t>(kMaxDepth)) hf.refuse(key, "too many layers");
  return n;
}

std::uint64_t head_dim(const Values& hf, const ordered_json& spec) {
  if (spec.contains("head_dim") && spec["head_dim"].is_number())
    return spec["head_dim"].get<std::uint64_t>();
  auto count = [&](const char* key) {
    const auto& value = spec.at(key);
    const bool fits = value.is_number_unsigned() && value.get<std::uint64_t>() > 0;
    if (!fits) fail("/{}: expected a positive integer, got {}", key, value.dump());
    return value.get<std::uint64_t>();
  };
  (void)hf;
  return count("hidden_size") / count("num_attention_heads");
}

// Sets the kind of every layer, and the window only when some layer slides.
void set_layer_types(const Values& hf, ordered_json& spec, const json& types) {
  const bool slides =
      std::any_of(types.begin(), types.end(), [](const json& t) { return t != kFull; });
  if (!slides) return;
  if (!hf.has("sliding_window")) hf.refuse("sliding_window", "null, but some layers slide");
  spec["layer_types"] = types;
  spec["sliding_window"] = hf.at("sliding_window");
}

template <class Slides>
json types_by(std::uint64_t n, Slides&& slides) {
  auto types = json::array();
  for (std::uint64_t i = 0; i < n; ++i) types.push_back(slides(i) ? kSliding : kFull);
  return types;
}

void labels(const Values& hf, const HfFamily&, ordered_json& spec) {
  if (spec.contains("num_labels")) return;  // the head's own: a start and an end
  // The library warns where the two differ, and takes the names.
  if (hf.at("id2label").is_object())
    spec["num_labels"] = hf.at("id2label").size();
  else if (hf.has("num_labels"))
    spec["num_labels"] = hf.at("num_labels");
}

// What *ForTokenClassification drops out before its scores, where the config says nothing: hidden
// states' rate, else a tenth.
void token_dropout(const Values& hf, const HfFamily&, ordered_json& spec) {
  if (spec["head"] != "token_classification" || spec.contains("classifier_dropout")) return;
  spec["classifier_dropout"] = 0.1;
  for (const auto* key : {"hidden_dropout", "classifier_dropout"})
    if (hf.has(key)) spec["classifier_dropout"] = hf.number(key);
}

// A share of the head's features is rotated: rotary_dim = int(head_dim * factor).
void partial_rotary(const Values& hf, const HfFamily& family, ordered_json& spec) {
  auto factor = hf.number(family.at("partial_rotary").get<std::string>());
  const auto& rope = hf.at("rope_parameters");
  if (rope.is_object() && rope.contains("partial_rotary_factor"))
    factor = hf.part("rope_parameters").number("partial_rotary_factor");
  if (factor < 0 || factor > 1)
    hf.refuse(family.at("partial_rotary").get<std::string>(), "expected a share from 0 to 1");
  if (factor == 1.0) return;
  const auto width = static_cast<double>(head_dim(hf, spec));
  // Frequencies are those of arange(0, dim, 2), so that an odd number turns one feature more.
  const auto dims = static_cast<std::uint64_t>(std::floor(width * factor));
  spec["rotary_dim"] = dims + dims % 2;
}

// getattr(config, "head_dim", hidden_size // num_attention_heads), whatever is left over.
void floored_head_dim(const Values& hf, const HfFamily&, ordered_json& spec) {
  if (!hf.has("head_dim")) spec["head_dim"] = head_dim(hf, spec);
}

// A switch of the config decides whether queries and keys are normalised, and how.
void qk_norm(const Values& hf, const HfFamily& family, ordered_json& spec) {
  for (const auto& [key, part] : family.at("qk_norm").items())
    if (hf.flag(key)) spec.update(part);
}

// EXAONE 4's "LLLG", over and over: local layers slide, global ones see all tokens.
void lettered_windows(const Values& hf, ordered_json& spec) {
  const auto letters = hf.at("sliding_window_pattern").get<std::string>();
  if (letters.empty() || letters.find_first_not_of("LG") != std::string::npos)
    hf.refuse("sliding_window_pattern", "expected letters L (local) and G (global)");
  if (!hf.has("sliding_window")) return;
  set_layer_types(hf, spec,
                  types_by(layers(hf), [&](auto i) { return letters[i % letters.size()] == 'L'; }));
}

// Layers that see all tokens have no positions where others slide (Cohere 2, EXAONE 4).
void rope_on_sliding_layers(const Values&, const HfFamily&, ordered_json& spec) {
  if (!spec.contains("layer_types")) return;
  auto rope = json::array();
  for (const auto& type : spec["layer_types"]) rope.push_back(type == kFull ? 0 : 1);
  spec["no_rope_layers"] = rope;
}

// Gemma 2, Gemma 3, gpt-oss: every n-th layer sees all tokens, the others a window.
void window_pattern(const Values& hf, const HfFamily& family, ordered_json& spec) {
  if (hf.has("layer_types")) return set_layer_types(hf, spec, hf.at("layer_types"));
  if (hf.at("sliding_window_pattern").is_string()) return lettered_windows(hf, spec);
  const auto every = hf.has("sliding_window_pattern")
                         ? hf.integer("sliding_window_pattern")
                         : family.at("defaults").at("sliding_window_pattern").get<std::uint64_t>();
  if (every == 0) hf.refuse("sliding_window_pattern", "0 layers make no pattern");
  if (!hf.has("sliding_window")) return;
  set_layer_types(hf, spec, types_by(layers(hf), [&](auto i) { return (i + 1) % every != 0; }));
}

// Qwen with use_sliding_window, by the family's "window": layers from max_window_layers on slide
// (above), every second one before it (even_below), or all, whatever else is stated.
void qwen_window(const Values& hf, const HfFamily& family, ordered_json& spec) {
  const auto limit = hf.has("max_window_layers") ? hf.integer("max_window_layers") : 0;
  const bool on = hf.flag("use_sliding_window") && hf.has("sliding_window");
  if (!on) return;
  const auto& kind = family.at("window");
  if (kind == "all") {
    spec["sliding_window"] = hf.at("sliding_window");
    return;
  }
  if (hf.has("layer_types")) return set_layer_types(hf, spec, hf.at("layer_types"));
  set_layer_types(hf, spec, types_by(layers(hf), [&](auto i) {
                    return kind == "even_below" ? i % 2 == 0 && i < limit : i >= limit;
                  }));
}

// Every n-th layer goes without positions.
void no_rope_layers(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto every = hf.integer("no_rope_layer_interval");
  if (hf.has("no_rope_layers") && !hf.at("no_rope_layers").empty()) {
    const auto& stated = hf.at("no_rope_layers");
    if (!stated.is_array() || stated.size() < layers(hf))
      hf.refuse("no_rope_layers", "expected an entry for each layer");
    spec["no_rope_layers"] = hf.at("no_rope_layers");
    return;
  }
  if (every == 0) hf.refuse("no_rope_layer_interval", "0 is no interval");
  auto rope = json::array();
  for (std::uint64_t i = 0; i < layers(hf); ++i) rope.push_back((i + 1) % every != 0 ? 1 : 0);
  if (!rope.empty()) spec["no_rope_layers"] = rope;
}

// Layers without positions are those that slide.
void smollm3(const Values& hf, const HfFamily&, ordered_json& spec) {
  const bool on = hf.flag("use_sliding_window") && hf.has("sliding_window");
  if (hf.has("layer_types")) return set_layer_types(hf, spec, hf.at("layer_types"));
  if (!on) return;
  const auto rope = spec.value("no_rope_layers", ordered_json::array());
  set_layer_types(hf, spec, types_by(rope.size(), [&](auto i) { return rope[i] == 0; }));
}

void gemma(const Values& hf, const HfFamily&, ordered_json& spec) {
  // hidden_activation overrules the field that early configs state.
  if (hf.has("hidden_activation")) spec["hidden_act"] = hf.at("hidden_activation");
  spec["embedding_multiplier"] = std::sqrt(hf.number("hidden_size"));
  if (hf.has("query_pre_attn_scalar"))
    spec["attention_scale"] = 1.0 / std::sqrt(hf.number("query_pre_attn_scalar"));
}

void logits_scaling(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto divisor = hf.number("logits_scaling");
  if (divisor == 0) hf.refuse("logits_scaling", "0 divides nothing");
  spec["logits_multiplier"] = 1.0 / divisor;
}

// GPT-Neo's kinds of layers, at most `depth` of them. attention_types: [[["global", "local"], 12]],
// a pattern and its repetitions.
json gpt_neo_kinds(const Values& hf, const HfFamily& family, std::uint64_t depth) {
  if (hf.has("attention_layers")) return hf.at("attention_layers");
  auto kinds = json::array();
  const auto& stated = hf.at("attention_types");
  for (const auto& part : stated.is_null() ? family["defaults"]["attention_types"] : stated) {
    const bool pair =
        part.is_array() && part.size() == 2 && part[0].is_array() && part[1].is_number_unsigned();
    if (!pair || part[0].empty()) hf.refuse("attention_types", "expected [[[kinds], times], ...]");
    for (std::uint64_t i = 0; i < part[1].get<std::uint64_t>() && kinds.size() <= depth; ++i)
      kinds.insert(kinds.end(), part[0].begin(), part[0].end());
  }
  return kinds;
}

void gpt_neo(const Values& hf, const HfFamily& family, ordered_json& spec) {
  auto types = json::array();
  const auto depth = layers(hf, "num_layers");
  for (const auto& kind : gpt_neo_kinds(hf, family, depth)) {
    if (types.size() >= depth)
      hf.refuse("attention_types", "describes more layers than num_layers");
    if (kind != "global" && kind != "local")
      hf.refuse("attention_types", "layers are global or local");
    types.push_back(kind == "local" ? kSliding : kFull);
  }
  (void)hf.stated("attention_types");
  if (types.size() != depth) hf.refuse("attention_types", "describes fewer layers than num_layers");
  if (!types.empty()) spec["layer_types"] = types;
}

void opt(const Values& hf, const HfFamily&, ordered_json& spec) {
  const bool before = hf.flag("do_layer_norm_before");
  if (!before) spec["norm_position"] = "post_residual";
  spec["final_norm"] = before && !hf.flag("_remove_final_layer_norm");
}

void falcon(const Values& hf, const HfFamily&, ordered_json& spec) {
  // RefinedWeb was the name of the 40B kind before it was in the library.
  const bool grouped = hf.flag("new_decoder_architecture") || hf.at("model_type") == "RefinedWeb";
  const bool parallel = hf.flag("parallel_attn");
  const auto norms = hf.has("num_ln_in_parallel_attn") ? hf.integer("num_ln_in_parallel_attn")
                     : grouped                         ? 2
                                                       : 1;
  // Before it, num_kv_heads had no effect on the joint projection: one head, or all.
  if (grouped)
    spec["num_key_value_heads"] = hf.at("num_kv_heads");
  else
    spec["num_key_value_heads"] = hf.flag("multi_query") ? json(1) : json();
  spec["parallel_norms"] = parallel ? norms : 1;
  spec["naming"] = parallel && norms == 2 ? "falcon_two_norms" : "falcon";
  // FalconDecoderLayer.forward: dropout_add of both halves' sum by hidden_dropout, or of attention
  // by attention_dropout and then of the MLP. FalconAttention drops weights with ALiBi alone.
  if (parallel)
    spec["joint_dropout"] = true;
  else
    spec["attn_resid_pdrop"] = hf.at("attention_dropout");
  if (hf.flag("alibi"))
    spec["position_embedding"] = "alibi";
  else
    spec["attn_pdrop"] = 0.0;
}

void mpt(const Values& hf, const HfFamily&, ordered_json& spec) {
  if (!hf.has("attn_config")) return;
  const auto attn = hf.part("attn_config");
  for (const auto* key : {"qk_ln", "prefix_lm", "attn_uses_sequence_id"})
    if (attn.flag(key)) attn.refuse(key, "not supported");
  if (attn.has("attn_type") && attn.at("attn_type") != "multihead_attention")
    attn.refuse("attn_type", "only 'multihead_attention' is supported, as in the library");
  if (attn.has("attn_pdrop")) {
    spec["attn_pdrop"] = attn.at("attn_pdrop");
    spec["resid_pdrop"] = attn.at("attn_pdrop");
  }
  if (attn.has("softmax_scale")) spec["attention_scale"] = attn.at("softmax_scale");
}

void set_dense_layers(ordered_json& spec, const json& dense) {
  if (!dense.empty()) spec["dense_layers"] = dense;
}

// Qwen: layer i has experts unless mlp_only_layers names it or (i + 1) % decoder_sparse_step != 0.
void sparse_step(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto step = hf.integer("decoder_sparse_step");
  if (step == 0) hf.refuse("decoder_sparse_step", "0 is no step");
  auto dense = json::array();
  const auto& named = hf.at("mlp_only_layers");
  for (std::uint64_t i = 0; i < layers(hf); ++i) {
    const bool is_named = std::find(named.begin(), named.end(), json(i)) != named.end();
    if (is_named || (i + 1) % step != 0) dense.push_back(i);
  }
  set_dense_layers(spec, dense);
}

// DeepSeek, GLM: the first layers are dense.
void dense_first(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto first = std::min(hf.integer("first_k_dense_replace"), layers(hf));
  auto dense = json::array();
  for (std::uint64_t i = 0; i < first; ++i) dense.push_back(i);
  if (!hf.has("n_routed_experts")) return;
  if (!hf.has("num_experts_per_tok"))
    hf.refuse("num_experts_per_tok", "missing, and its class has no default for it");
  set_dense_layers(spec, dense);
}

// n_shared_experts side by side are one expert of their joint width.
void shared_experts(const Values& hf, const HfFamily&, ordered_json& spec) {
  if (!hf.has("n_routed_experts")) {  // a dense model of the family
    spec["num_experts"] = 0;
    spec["num_experts_per_tok"] = 1;
    return;
  }
  if (!hf.has("n_shared_experts")) return;
  const auto count = hf.integer("n_shared_experts");
  spec["shared_expert_intermediate_size"] =
      (Count(count) * hf.integer("moe_intermediate_size")).value();
}

void llama4(const Values& hf, const HfFamily&, ordered_json& spec) {
  const auto depth = layers(hf);
  const auto step = hf.integer("interleave_moe_layer_step");
  const auto& named = hf.at("moe_layers");
  if (step == 0) hf.refuse("interleave_moe_layer_step", "0 is no step");
  auto dense = json::array();
  for (std::uint64_t i = 0; i < depth; ++i) {
    const bool sparse = named.is_array()
                            ? std::find(named.begin(), named.end(), json(i)) != named.end()
                            : (i + 1) % step == 0;
    if (!sparse) dense.push_back(i);
  }
  set_dense_layers(spec, dense);
  if (!hf.has("attention_chunk_size")) return;
  auto types = hf.at("layer_types");
  if (types.is_null()) {
    const auto rope = spec.value("no_rope_layers", ordered_json::array());
    types = json::array();
    for (std::uint64_t i = 0; i < depth; ++i)
      types.push_back(rope[i] == 1 ? "chunked_attention" : kFull);
  }
  spec["layer_types"] = types;
  spec["sliding_window"] = hf.at("attention_chunk_size");
}

// Layers that predict further tokens stand in the checkpoint, but the library does not load them.
void next_token_layers(const Values& hf, const HfFamily&, ordered_json&) {
  hf.know("num_nextn_predict_layers");
}

constexpr HfRule kDecoderRules[] = {
    {"labels", labels},
    {"token_dropout", token_dropout},
    {"floored_head_dim", floored_head_dim},
    {"partial_rotary", partial_rotary},
    {"qk_norm", qk_norm},
    {"window_pattern", window_pattern},
    {"rope_on_sliding_layers", rope_on_sliding_layers},
    {"qwen_window", qwen_window},
    {"no_rope_layers", no_rope_layers},
    {"smollm3", smollm3},
    {"gemma", gemma},
    {"logits_scaling", logits_scaling},
    {"gpt_neo", gpt_neo},
    {"opt", opt},
    {"falcon", falcon},
    {"mpt", mpt},
    {"sparse_step", sparse_step},
    {"dense_first", dense_first},
    {"shared_experts", shared_experts},
    {"llama4", llama4},
    {"next_token_layers", next_token_layers},
};

}  // namespace

std::span<const HfRule> hf_decoder_rules() { return kDecoderRules; }

}  // namespace vitals
