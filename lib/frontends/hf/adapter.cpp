#include "frontends/hf/adapter.h"

#include "core/error.h"
#include "frontends/hf/values.h"
#include "frontends/spec/json_text.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMostRank = 1 << 20;

// LoraConfig's own defaults.
json lora_defaults() {
  return {{"r", 8},
          {"lora_dropout", 0.0},
          {"bias", "none"},
          {"use_dora", false},
          {"lora_bias", false},
          {"target_modules", nullptr},
          {"fan_in_fan_out", false},
          {"modules_to_save", nullptr}};
}

std::vector<std::string> layer_names(const HfValues& values, const char* key) {
  const auto& stated = values.at(key);
  if (stated.is_null()) return {};
  if (stated.is_string()) {
    if (const auto name = stated.get<std::string>();
        name.find_first_of("*+?()[]\\|^$") == std::string::npos)
      return {name};
    values.refuse(key, "is a regular expression, which is not read; list the names of the layers");
  }
  if (!stated.is_array()) values.refuse(key, "expected a list of names, got " + brief(stated));
  std::vector<std::string> list;
  for (const auto& name : stated) {
    if (!name.is_string()) values.refuse(key, "expected a list of names, got " + brief(stated));
    list.push_back(name.get<std::string>());
  }
  return list;
}

std::uint64_t rank_of(const HfValues& values, const std::string& key, const json& stated) {
  const bool good = stated.is_number_unsigned() && stated > 0 && stated <= kMostRank;
  if (!good) values.refuse(key, "expected a rank of 1 or more, got " + brief(stated));
  return stated.get<std::uint64_t>();
}

std::vector<std::uint64_t> adapted_layers(const HfValues& values) {
  const auto& stated = values.at("layers_to_transform");
  if (stated.is_null()) return {};
  std::vector<std::uint64_t> list;
  for (const auto& layer : stated.is_array() ? stated : json::array({stated})) {
    if (!layer.is_number_unsigned())
      values.refuse("layers_to_transform", "expected numbers of layers, got " + brief(stated));
    list.push_back(layer.get<std::uint64_t>());
  }
  return list;
}

// What has an effect on the parameters that is not described.
void refuse_others(const HfValues& values) {
  const auto& type = values.at("peft_type");
  if (type != "LORA") values.refuse("peft_type", brief(type) + " is not supported; LORA is");
  for (const auto* key : {"use_dora", "lora_bias", "use_qalora"})
    if (values.flag(key)) values.refuse(key, "true is not supported: it adds other parameters");
  for (const auto* key : {"megatron_config", "layer_replication", "trainable_token_indices",
                          "target_parameters", "use_bdlora", "arrow_config", "corda_config"}) {
    const auto& value = values.at(key);
    if (!value.is_null() && !value.empty() && value != false)
      values.refuse(key, "is not supported: it changes which parameters there are");
  }
}

}  // namespace

bool is_adapter_config(const json& description) {
  return description.is_object() && description.contains("peft_type");
}

Lora lora_of(const json& config, const std::string& source) {
  try {
    if (!is_adapter_config(config))
      fail("/peft_type: missing; an adapter_config.json of PEFT states it");
    const HfValues values(config, lora_defaults());
    refuse_others(values);
    Lora lora;
    lora.rank = rank_of(values, "r", values.at("r"));
    lora.dropout = values.number("lora_dropout");
    if (!(lora.dropout >= 0 && lora.dropout < 1))
      values.refuse("lora_dropout", "expected a rate from 0 to below 1");
    lora.targets = layer_names(values, "target_modules");
    lora.excluded = layer_names(values, "exclude_modules");
    lora.saved = layer_names(values, "modules_to_save");
    lora.layers = adapted_layers(values);
    const auto& bias = values.at("bias");
    if (bias != "none" && bias != "all" && bias != "lora_only")
      values.refuse("bias", "expected none, all or lora_only, got " + brief(bias));
    lora.biases = bias.get<std::string>();
    const auto& pattern = values.at("rank_pattern");
    if (!pattern.is_null() && !pattern.is_object())
      values.refuse("rank_pattern", "expected an object, got " + brief(pattern));
    for (const auto& entry : pattern.items()) {
      if (entry.key().find_first_of("*+?()[]\\|^$") != std::string::npos)
        values.refuse("rank_pattern", "regular expressions are not read; name the layers");
      lora.ranks.emplace_back(entry.key(), rank_of(values, "rank_pattern", entry.value()));
    }
    return lora;
  } catch (const Error& error) {
    throw error.within(source);
  }
}

}  // namespace vitals
