// What a Hugging Face config says beyond plain copies of fields: rules that compute a part of our
// spec from it, by the names that specs/hf_families.json gives them.
#pragma once

#include "frontends/hf/families.h"
#include "frontends/hf/values.h"

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string_view>

namespace vitals {

struct HfRule {
  std::string_view name;
  // Adds to our spec, or throws Error "/field: ..." for what cannot be described.
  void (*apply)(const HfValues& config, const HfFamily& family, nlohmann::ordered_json& spec);
};

[[nodiscard]] std::span<const HfRule> hf_decoder_rules();
[[nodiscard]] std::span<const HfRule> hf_encoder_rules();
[[nodiscard]] std::span<const HfRule> hf_image_rules();

// Throws std::out_of_range for a name that no file of rules has: a fault in our own table.
[[nodiscard]] const HfRule& find_hf_rule(std::string_view name);

}  // namespace vitals
