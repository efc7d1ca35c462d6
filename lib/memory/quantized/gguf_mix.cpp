#include "memory/quantized/gguf_mix.h"

#include <algorithm>
#include <array>

namespace vitals {
namespace {

// When a rule holds for the weight of layer i of n.
enum class When : std::uint8_t {
  always,
  grouped,          // at least four query heads share a key head
  grouped_or_many,  // or there are four experts
  experts8,
  seventy_b,  // 80 layers with grouped heads
  more_bits,  // the first and last eighth, and every third layer between
  first_sixteenth,
  first_eighth,
  first2,
  first4,
  middle,  // all but the first and last eighth
  expert,  // one tensor of several experts
};

struct Rule {
  std::string_view mixes;  // separated by blanks; "*": every one
  Role role;
  When when;
  std::string_view format;
};

struct Base {
  std::string_view mix;
  std::string_view format;
};

// The format of all matrices for which no rule holds.
constexpr Base kBases[] = {
    {"Q4_0", "Q4_0"},   {"Q4_1", "Q4_1"},       {"Q5_0", "Q5_0"},     {"Q5_1", "Q5_1"},
    {"Q8_0", "Q8_0"},   {"Q2_K", "Q2_K"},       {"Q2_K_S", "Q2_K"},   {"Q3_K_S", "Q3_K"},
    {"Q3_K_M", "Q3_K"}, {"Q3_K_L", "Q3_K"},     {"Q4_K_S", "Q4_K"},   {"Q4_K_M", "Q4_K"},
    {"Q5_K_S", "Q5_K"}, {"Q5_K_M", "Q5_K"},     {"Q6_K", "Q6_K"},     {"IQ1_S", "IQ1_S"},
    {"IQ1_M", "IQ1_M"}, {"IQ2_XXS", "IQ2_XXS"}, {"IQ2_XS", "IQ2_XS"}, {"IQ2_S", "IQ2_XS"},
    {"IQ2_M", "IQ2_S"}, {"IQ3_XXS", "IQ3_XXS"}, {"IQ3_XS", "IQ3_S"},  {"IQ3_S", "IQ3_S"},
    {"IQ3_M", "IQ3_S"}, {"IQ4_NL", "IQ4_NL"},   {"IQ4_XS", "IQ4_XS"}, {"TQ1_0", "TQ1_0"},
    {"TQ2_0", "TQ2_0"}, {"MXFP4_MOE", "Q8_0"},  {"F16", "F16"},       {"BF16", "BF16"},
    {"F32", "F32"},
};

using R = Role;
using W = When;
constexpr std::string_view kTiny = "IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M";
constexpr std::string_view kPlain = "F16 BF16 F32 Q8_0 MXFP4_MOE";

// Read from src/llama-quant.cpp of llama.cpp (commit 007dbbf3); the first that holds is taken. The
// mixes below four bits whose names begin with IQ are made with an importance matrix, IQ4 without.
constexpr Rule kRules[] = {
    {"MXFP4_MOE", R::gate, W::expert, "MXFP4"},
    {"MXFP4_MOE", R::up, W::expert, "MXFP4"},
    {"MXFP4_MOE", R::down, W::expert, "MXFP4"},

    {kPlain, R::head, W::always, ""},  // as all others
    {"IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS", R::head, W::always, "Q5_K"},
    {"*", R::head, W::always, "Q6_K"},

    {"IQ1_S IQ1_M IQ2_XXS IQ2_XS", R::embedding, W::always, "Q2_K"},
    {"IQ2_S IQ2_M IQ3_XXS", R::embedding, W::always, "IQ3_S"},
    {"TQ1_0 TQ2_0", R::embedding, W::always, "Q4_K"},

    {kTiny, R::value, W::grouped_or_many, "Q4_K"},
    {"IQ2_S IQ2_M", R::value, W::always, "IQ3_S"},
    {kTiny, R::value, W::always, "Q2_K"},
    {kTiny, R::key, W::experts8, "Q4_K"},
    {"IQ2_S IQ2_M", R::down, W::first_eighth, "IQ3_S"},
    {kTiny, R::down, W::first_eighth, "Q2_K"},
    {kTiny, R::attention_output, W::experts8, "Q5_K"},
    {"IQ1_S IQ1_M", R::attention_output, W::always, "IQ2_XXS"},
    {"IQ2_S IQ2_M", R::attention_output, W::always, "IQ3_S"},

    {kPlain, R::value, W::always, ""},
    {"*", R::value, W::experts8, "Q8_0"},
    {"Q4_K_M Q5_K_M", R::value, W::more_bits, "Q6_K"},
    {"Q2_K Q2_K_S Q3_K_S Q3_K_M Q4_K_S Q4_K_M IQ3_XXS IQ3_XS IQ3_S IQ3_M", R::value, W::seventy_b,
     "Q5_K"},
    {"Q2_K Q2_K_S IQ3_XXS IQ3_XS IQ3_S", R::value, W::grouped, "Q4_K"},
    {"Q2_K", R::value, W::always, "Q3_K"},
    {"IQ3_M", R::value, W::always, "Q4_K"},
    {"Q3_K_M", R::value, W::first2, "Q5_K"},
    {"Q3_K_M", R::value, W::always, "Q4_K"},
    {"Q3_K_L", R::value, W::always, "Q5_K"},
    {"IQ4_NL IQ4_XS", R::value, W::grouped, "Q5_K"},
    {"Q4_K_S", R::value, W::first4, "Q5_K"},

    {kPlain, R::key, W::always, ""},
    {"*", R::key, W::experts8, "Q8_0"},
    {"IQ3_XS", R::key, W::always, "IQ3_XXS"},
    {"IQ3_XXS", R::key, W::always, "IQ2_S"},
    {"IQ3_XS", R::query, W::always, "IQ3_XXS"},
    {"IQ3_XXS", R::query, W::always, "IQ2_S"},

    {"Q2_K", R::down, W::always, "Q3_K"},
    {"Q2_K_S", R::down, W::first_eighth, "Q4_K"},
    {"Q3_K_M", R::down, W::first_sixteenth, "Q5_K"},
    {"Q3_K_M", R::down, W::always, "Q4_K"},
    {"IQ3_M", R::down, W::first_eighth, "Q4_K"},
    {"Q3_K_L", R::down, W::always, "Q5_K"},
    {"Q4_K_M Q5_K_M", R::down, W::more_bits, "Q6_K"},
    {"IQ4_NL IQ4_XS Q4_K_S", R::down, W::first_eighth, "Q5_K"},

    {"Q2_K IQ3_XS IQ3_XXS Q3_K_S Q3_K_M IQ4_NL Q4_K_S Q4_K_M IQ3_S IQ3_M IQ4_XS",
     R::attention_output, W::experts8, "Q5_K"},
    {"Q2_K", R::attention_output, W::always, "Q3_K"},
    {"IQ3_XXS", R::attention_output, W::always, "IQ3_S"},
    {"Q3_K_M IQ3_M", R::attention_output, W::always, "Q4_K"},
    {"Q3_K_L", R::attention_output, W::always, "Q5_K"},

    {"IQ3_XS", R::gate, W::middle, "IQ3_XXS"},
    {"IQ3_XS", R::up, W::middle, "IQ3_XXS"},
};

bool names(std::string_view list, std::string_view mix) {
  if (list == "*") return true;
  while (!list.empty()) {
    const auto end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == mix) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

bool holds(When when, const WeightUse& use, const GgufModel& m) {
  const auto i = use.layer;
  const auto n = m.layers;
  switch (when) {
    case When::always:
      return true;
    case When::grouped:
      return m.heads_per_kv_head >= 4;
    case When::grouped_or_many:
      return m.heads_per_kv_head >= 4 || m.experts >= 4;
    case When::experts8:
      return m.experts == 8;
    case When::seventy_b:
      return n == 80 && m.heads_per_kv_head > 1;
    case When::more_bits:
      return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    case When::first_sixteenth:
      return i < n / 16;
    case When::first_eighth:
      return i < n / 8;
    case When::first2:
      return i < 2;
    case When::first4:
      return i < 4;
    case When::expert:
      return use.experts > 1;
    case When::middle:
      return i >= n / 8 && i < 7 * n / 8;
  }
  return false;
}

// Joint projections, latents that are written out and plain values are treated alike, and so are a
// head and a token table that is the head as well.
Role treated_as(const WeightUse& use) {
  switch (use.role) {
    case R::qkv:
    case R::key_value:
      return R::value;
    case R::gate_up:
      return R::up;
    case R::classifier:
      return R::head;
    case R::embedding:
      return use.tied ? R::head : R::embedding;
    default:  // has rules of its own, or none
      return use.role;
  }
}

}  // namespace

std::span<const std::string_view> gguf_mixes() {
  static constexpr auto kAll = [] {
    std::array<std::string_view, std::size(kBases)> mixes{};
    for (std::size_t i = 0; i < mixes.size(); ++i) mixes[i] = kBases[i].mix;
    return mixes;
  }();
  return kAll;
}

GgufModel gguf_model(const Graph& graph, const std::vector<WeightUse>& uses) {
  GgufModel model;
  for (const auto& use : uses) {
    model.layers = std::max(model.layers, use.layer + 1);
    model.experts = std::max(model.experts, use.experts);
  }
  for (const auto& module : graph.modules)
    if (module.heads.key > 0) model.heads_per_kv_head = module.heads.query / module.heads.key;
  return model;
}

namespace {

std::string_view chosen(std::string_view mix, std::string_view base, const WeightUse& use,
                        const GgufModel& model) {
  const auto role = treated_as(use);
  for (const auto& rule : kRules)
    if (rule.role == role && names(rule.mixes, mix) && holds(rule.when, use, model))
      return rule.format.empty() ? base : rule.format;
  return base;
}

}  // namespace

const BlockFormat& gguf_format(std::string_view mix, const WeightUse& use, const GgufModel& model) {
  const auto* base = std::find_if(std::begin(kBases), std::end(kBases),
                                  [&](const Base& b) { return b.mix == mix; });
  const auto* format = &block_format(chosen(mix, base->format, use, model));
  if (use.columns % format->block == 0) return *format;
  // The head's own fallback is simpler than the formats'.
  format = &block_format(treated_as(use) == R::head ? "Q8_0" : format->fallback);
  return use.columns % format->block == 0 ? *format : block_format("F16");
}

}  // namespace vitals
